using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace AiFabric.Benchmarks.Speed.Serving;

/// <summary>
/// Clients of streamed chats that take next to nothing of the cores they share with the engine: one thread waits for all sockets at once and
/// counts events without reading them.
/// </summary>
internal static class ChatStreams
{
    public const string ModelName = "m";

    /// <summary>Whether the worker says that it is ready; false when nothing listens yet.</summary>
    public static bool IsReady(int port)
    {
        try
        {
            using var socket = Send(port, "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            var answer = new byte[64];
            int length = socket.Receive(answer);
            return answer.AsSpan(0, length).StartsWith("HTTP/1.1 200"u8);
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Returns when the first token of an answer is there.</summary>
    /// <exception cref="BenchException">The worker refused.</exception>
    public static void AwaitFirstToken(int port, string text)
    {
        using var socket = Send(port, Chat(text, 2));
        var stream = new EventTimes();
        var buffer = new byte[4096];
        while (stream.Times.Count == 0)
            stream.Take(buffer.AsSpan(0, socket.Receive(buffer)));
    }

    /// <summary>Tokens per second while all chats decode.</summary>
    /// <exception cref="BenchException">A chat was refused or ended early.</exception>
    public static double DecodeRate(int port, IReadOnlyList<string> texts, int steps)
    {
        // Two more than are counted: the first comes from the prompt, and the last may come while others have ended.
        Dictionary<Socket, EventTimes> streams = texts.ToDictionary(text => Send(port, Chat(text, steps + 2)), _ => new EventTimes());
        try
        {
            ReadAll(streams);
            // Not counted: the event that opens an answer and the one that ends the stream.
            List<long[]> times = [.. streams.Values.Select(stream => stream.Times.Skip(1).SkipLast(1).ToArray())];
            if (times.Any(sequence => sequence.Length < steps))
                throw new BenchException($"a chat of {steps + 2} tokens had only {times.Min(sequence => sequence.Length)} events");
            return Rates.WhileAllDecode(times);
        }
        finally
        {
            foreach (var socket in streams.Keys)
                socket.Dispose();
        }
    }

    private static void ReadAll(Dictionary<Socket, EventTimes> streams)
    {
        var open = streams.Keys.ToList();
        var buffer = new byte[1 << 16];
        while (open.Count > 0)
        {
            var readable = new List<Socket>(open);
            Socket.Select(readable, null, null, TimeSpan.FromSeconds(60));
            if (readable.Count == 0)
                throw new BenchException("no token came for a minute");
            foreach (var socket in readable)
            {
                int length = socket.Receive(buffer);
                if (length == 0)
                    open.Remove(socket);
                else
                    streams[socket].Take(buffer.AsSpan(0, length));
            }
        }
    }

    private static string Chat(string text, int tokens)
    {
        string body = string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"model":"{{ModelName}}","messages":[{"role":"user","content":{{JsonSerializer.Serialize(text)}}}],"stream":true,"temperature":0,"ignore_eos":true,"max_tokens":{{tokens}}}""");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");
    }

    private static Socket Send(int port, string request)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Connect(IPAddress.Loopback, port);
            socket.Send(Encoding.UTF8.GetBytes(request));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>When the events of one stream came. An empty line ends an event; HTTP's own lines end otherwise.</summary>
    private sealed class EventTimes
    {
        private bool lineEnded;
        private bool begun;

        public List<long> Times { get; } = [];

        public void Take(ReadOnlySpan<byte> bytes)
        {
            if (bytes.IsEmpty)
                throw new BenchException("the worker closed the connection before its answer ended");
            if (!begun && !bytes.StartsWith("HTTP/1.1 200"u8))
                throw new BenchException($"the worker answered: {Encoding.UTF8.GetString(bytes)}");
            begun = true;
            long now = Stopwatch.GetTimestamp();
            int events = bytes.Count("\n\n"u8) + (lineEnded && bytes[0] == '\n' ? 1 : 0);
            lineEnded = bytes[^1] == '\n' && !bytes.EndsWith("\n\n"u8);
            for (int i = 0; i < events; i++)
                Times.Add(now);
        }
    }
}
