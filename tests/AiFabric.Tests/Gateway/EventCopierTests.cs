using System.IO.Pipelines;
using System.Text;
using AiFabric.Gateway.Streaming;
using Xunit;

namespace AiFabric.Tests.Gateway;

public sealed class EventCopierTests
{
    private static async Task<(StreamEnd End, string Sent)> CopyAsync(Stream worker, CancellationToken cut = default)
    {
        using var sent = new MemoryStream();
        PipeWriter client = PipeWriter.Create(sent, new StreamPipeWriterOptions(leaveOpen: true));
        (StreamEnd end, _) = await EventCopier.CopyAsync(worker, client, null, TimeSpan.FromMinutes(1), cut, TestContext.Current.CancellationToken);
        return (end, Encoding.UTF8.GetString(sent.ToArray()));
    }

    [Fact]
    public async Task A_stream_with_its_final_event_passes_untouched()
    {
        const string Events = "data: {\"a\":1}\n\n: comment\n\ndata: [DONE]\n\n";
        Assert.Equal((StreamEnd.Done, Events), await CopyAsync(new ChunkedStream(Events, 3, null)));
    }

    [Theory]
    [InlineData("data: {\"a\":1}\n\n", "data: {\"a\":1}\n\n")]
    [InlineData("data: {\"a\":1}\n\ndata: {\"b\":", "data: {\"a\":1}\n\n")]
    public async Task A_stream_that_stops_early_ends_with_an_error_event_after_the_last_whole_event(string events, string passed)
    {
        foreach (IOException? failure in new[] { null, new IOException("reset") })
        {
            (StreamEnd end, string sent) = await CopyAsync(new ChunkedStream(events, 5, failure));
            Assert.Equal(StreamEnd.WorkerLost, end);
            Assert.StartsWith(passed + "data: {\"error\":{", sent, StringComparison.Ordinal);
            Assert.Contains("worker_lost", sent, StringComparison.Ordinal);
            Assert.EndsWith("}\n\n", sent, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("data: {\"a\"")]
    public async Task A_stream_that_stops_before_its_first_whole_event_tells_the_client_nothing(string events)
    {
        foreach (IOException? failure in new[] { null, new IOException("reset") })
            Assert.Equal((StreamEnd.NeverBegan, ""), await CopyAsync(new ChunkedStream(events, 5, failure)));
    }

    [Fact]
    public async Task A_stream_that_is_cut_off_ends_with_an_error_event_that_says_why()
    {
        using var cut = new CancellationTokenSource();
        var pipe = new Pipe();
        await pipe.Writer.WriteAsync("data: {\"a\":1}\n\n"u8.ToArray(), TestContext.Current.CancellationToken);
        Task<(StreamEnd End, string Sent)> copying = CopyAsync(pipe.Reader.AsStream(), cut.Token);
        await cut.CancelAsync();
        (StreamEnd end, string sent) = await copying;
        Assert.Equal(StreamEnd.CutOff, end);
        Assert.StartsWith("data: {\"a\":1}\n\ndata: {\"error\":{", sent, StringComparison.Ordinal);
        Assert.Contains("shutting_down", sent, StringComparison.Ordinal);
    }

    /// <summary>Gives its text in small pieces, then ends or fails.</summary>
    private sealed class ChunkedStream(string text, int size, IOException? failure) : MemoryStream(Encoding.UTF8.GetBytes(text))
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await base.ReadAsync(buffer[..Math.Min(size, buffer.Length)], cancellationToken);
            return read == 0 && failure is not null ? throw failure : read;
        }
    }
}
