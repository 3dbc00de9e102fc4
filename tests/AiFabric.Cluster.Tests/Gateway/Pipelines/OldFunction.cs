using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace AiFabric.Cluster.Tests.Gateway.Pipelines;

/// <summary>A function of HTTP/1.0, as Python's own server is: it takes one request on a connection, answers and would close. Notes when a second comes.</summary>
internal sealed class OldFunction : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _over = new();
    private Task _serving = Task.CompletedTask;
    private int _requests;
    private int _reused;

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Requests that came on a connection after its first, and would have been lost.</summary>
    public int Reused => Volatile.Read(ref _reused);

    public static OldFunction Start()
    {
        var function = new OldFunction();
        function._listener.Start();
        function._serving = function.ServeAsync();
        return function;
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _serving;
        _listener.Dispose();
        _over.Dispose();
    }

    private async Task ServeAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
                open.Add(AnswerAsync(await _listener.AcceptTcpClientAsync(_over.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        using (client)
        {
            NetworkStream stream = client.GetStream();
            string body = await ReadAsync(stream);
            Interlocked.Increment(ref _requests);
            string text = body.Contains("\"closed\"", StringComparison.Ordinal) ? "{\"text\":\"old\"}\n" : "";
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.0 200 OK\r\ncontent-length: {text.Length}\r\n\r\n{text}"), _over.Token);
            // Whoever would send a second request does it now; others close.
            try
            {
                if (await stream.ReadAsync(new byte[1], _over.Token) > 0)
                    Interlocked.Increment(ref _reused);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // Closed, by the client or with the test.
            }
        }
    }

    private async Task<string> ReadAsync(NetworkStream stream)
    {
        var text = new StringBuilder();
        var buffer = new byte[4_096];
        while (true)
        {
            text.Append(Encoding.ASCII.GetString(buffer, 0, await stream.ReadAsync(buffer, _over.Token)));
            string all = text.ToString();
            int head = all.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (head < 0)
                continue;
            string length = all[..head].Split("\r\n").First(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)).Split(':')[1];
            if (all.Length - head - 4 >= int.Parse(length, CultureInfo.InvariantCulture))
                return all[(head + 4)..];
        }
    }
}
