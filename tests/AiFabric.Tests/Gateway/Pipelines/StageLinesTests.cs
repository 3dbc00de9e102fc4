using System.Text;
using AiFabric.Gateway.Pipelines.Execution;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

public sealed class StageLinesTests
{
    [Theory]
    [InlineData("a\nb\n", "a|b")]
    [InlineData("a\r\n\r\n\nb", "a\r|b")] // White space is JSON's business.
    [InlineData("", "")]
    [InlineData("\n", "")]
    public async Task Lines_are_read_whole_and_empty_ones_are_skipped(string text, string lines) => Assert.Equal(lines, await ReadAsync(new MemoryStream(Encoding.UTF8.GetBytes(text))));

    [Fact]
    public async Task A_line_that_comes_in_pieces_is_one()
    {
        string line = new('x', 100_000);
        Assert.Equal($"{line}|{line}", await ReadAsync(new MemoryStream(Encoding.UTF8.GetBytes($"{line}\n{line}"))));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_line_is_not_held_beyond_its_bound_whether_it_ends_or_not(bool ends)
    {
        await using var stream = new Endless(ends ? StageLines.MaxBytes + 10 : long.MaxValue / 2);
        CallException error = await Assert.ThrowsAsync<CallException>(() => ReadAsync(stream));
        Assert.False(error.MayRetry);
        Assert.InRange(stream.Given, StageLines.MaxBytes, StageLines.MaxBytes + (1 << 20));
    }

    private static async Task<string> ReadAsync(Stream stream)
    {
        var lines = new List<string>();
        await foreach (ReadOnlyMemory<byte> line in StageLines.ReadAsync(stream, TestContext.Current.CancellationToken))
            lines.Add(Encoding.UTF8.GetString(line.Span));
        return string.Join('|', lines);
    }

    /// <summary>So many letters, and a line's end after them.</summary>
    private sealed class Endless(long letters) : MemoryStream
    {
        public long Given { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Given > letters)
                return ValueTask.FromResult(0);
            int count = (int)Math.Min(buffer.Length, letters + 1 - Given);
            buffer.Span[..count].Fill((byte)'x');
            Given += count;
            if (Given > letters)
                buffer.Span[count - 1] = (byte)'\n';
            return ValueTask.FromResult(count);
        }
    }
}
