using System.Buffers;
using System.Text;
using AiFabric.Protocol.Sse;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Protocol;

public sealed class SseTests
{
    private static async Task<List<string>> ReadAsync(byte[] bytes, int chunk)
    {
        var events = new List<string>();
        await foreach (string data in SseReader.ReadAsync(new DrippingStream(bytes, chunk), TestContext.Current.CancellationToken))
            events.Add(data);
        return events;
    }

    [Theory]
    [InlineData("data: a\n\ndata: b\n\n", "a|b")]
    [InlineData("data: a\r\n\r\ndata:b\r\n\r\n", "a|b")]
    [InlineData("data: a\r\rdata: b\r\r", "a|b")]
    [InlineData(": comment\n\ndata: a\ndata: b\n\n", "a\nb")]
    [InlineData("event: x\nid: 1\nretry: 5\ndata\n\n", "")]
    [InlineData("data:  two spaces\n\n", " two spaces")]
    [InlineData("data: cut off", null)]
    [InlineData("data: cut off\n", null)]
    [InlineData("\n\n\n", null)]
    public async Task Reader_follows_the_specification_whatever_the_chunks(string stream, string? expected)
    {
        for (int chunk = 1; chunk < 20; chunk++)
            Assert.Equal(expected, await ReadAsync(Encoding.UTF8.GetBytes(stream), chunk) is { Count: > 0 } events ? string.Join('|', events) : null);
    }

    [Fact]
    public async Task What_is_written_is_read()
    {
        await Gen.String.Select(s => s.ReplaceLineEndings(" ").Replace('\r', ' ').Replace('\n', ' ')).List[0, 5].SampleAsync(async events =>
        {
            var buffer = new ArrayBufferWriter<byte>();
            SseFrame.WriteComment(buffer);
            foreach (string data in events)
                SseFrame.Write(buffer, data);
            var expected = events.Select(e => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(e)));
            Assert.Equal(expected, await ReadAsync(buffer.WrittenSpan.ToArray(), 7));
        });
    }

    [Fact]
    public void Writer_refuses_a_line_break() =>
        Assert.Throws<ArgumentException>(() => SseFrame.Write(new ArrayBufferWriter<byte>(), "a\nb"));

    [Fact]
    public async Task Reader_refuses_an_endless_event() =>
        await Assert.ThrowsAsync<InvalidDataException>(() => ReadAsync(new byte[SseReader.MaxEventBytes + 10], 65536));

    private sealed class DrippingStream(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(chunk, buffer.Length)], cancellationToken);
    }
}
