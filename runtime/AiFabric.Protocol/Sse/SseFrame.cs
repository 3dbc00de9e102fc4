using System.Buffers;
using System.Text;

namespace AiFabric.Protocol.Sse;

/// <summary>Writes server-sent events. Source: WHATWG HTML, section 9.2.</summary>
public static class SseFrame
{
    /// <summary>The payload that ends an OpenAI stream.</summary>
    public const string Done = "[DONE]";

    private static readonly byte[] Prefix = "data: "u8.ToArray();
    private static readonly byte[] End = "\n\n"u8.ToArray();

    /// <summary>Appends one event with UTF-8 data, which must hold no line break (JSON as serialized has none).</summary>
    /// <exception cref="ArgumentException">The data holds a line break, which would split the event.</exception>
    public static void Write(IBufferWriter<byte> output, ReadOnlySpan<byte> data)
    {
        if (data.IndexOfAny((byte)'\n', (byte)'\r') >= 0)
            throw new ArgumentException("The data of one event must be a single line.", nameof(data));
        output.Write(Prefix);
        output.Write(data);
        output.Write(End);
    }

    /// <summary>Appends one event with text data.</summary>
    /// <exception cref="ArgumentException">See the other overload.</exception>
    public static void Write(IBufferWriter<byte> output, string data) => Write(output, Encoding.UTF8.GetBytes(data));

    /// <summary>Appends a comment: keeps a connection alive, means nothing to clients.</summary>
    public static void WriteComment(IBufferWriter<byte> output) => output.Write(": \n\n"u8);
}
