using System.IO.Pipelines;
using System.Text;
using AiFabric.Gateway.Streaming;
using Xunit;

namespace AiFabric.Tests.Gateway;

public sealed class EventCopierTests
{
    private static AttemptDeadline Deadline(CancellationToken cut) => new(TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1), cut, TestContext.Current.CancellationToken);

    private static async Task<(StreamEnd End, string Sent)> CopyAsync(Stream worker, CancellationToken cut = default)
    {
        using var sent = new MemoryStream();
        PipeWriter client = PipeWriter.Create(sent, new StreamPipeWriterOptions(leaveOpen: true));
        using AttemptDeadline deadline = Deadline(cut);
        (StreamEnd end, _) = await EventCopier.CopyAsync(worker, client, null, deadline, cut, TestContext.Current.CancellationToken);
        await client.FlushAsync(TestContext.Current.CancellationToken); // As the server does at the end of an answer.
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

    [Fact]
    public async Task An_end_that_is_there_with_the_final_event_goes_out_with_it()
    {
        var (end, sent, flushes) = await CountAsync(new ChunkedStream("data: {\"a\":1}\n\ndata: [DONE]\n\n", 100, null));
        Assert.Equal((StreamEnd.Done, "data: {\"a\":1}\n\ndata: [DONE]\n\n", 0), (end, sent, flushes));
    }

    [Fact]
    public async Task A_final_event_does_not_wait_for_the_end()
    {
        var worker = new Pipe();
        Task<(StreamEnd End, string Sent, int Flushes)> copying = CountAsync(worker.Reader.AsStream());
        await worker.Writer.WriteAsync("data: [DONE]\n\n"u8.ToArray(), TestContext.Current.CancellationToken);
        await _flushed.Task.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        Assert.False(copying.IsCompleted);
        await worker.Writer.CompleteAsync();
        Assert.Equal((StreamEnd.Done, "data: [DONE]\n\n", 1), await copying);
    }

    [Fact]
    public async Task What_follows_the_final_event_is_not_passed_on()
    {
        var (end, sent) = await CopyAsync(new ChunkedStream("data: [DONE]\n\ndata: {}\n\n", "data: [DONE]\n\n".Length, null));
        Assert.Equal((StreamEnd.Done, "data: [DONE]\n\n"), (end, sent));
    }

    private readonly TaskCompletionSource _flushed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task<(StreamEnd End, string Sent, int Flushes)> CountAsync(Stream worker)
    {
        var pipe = new Pipe();
        var client = new CountingWriter(pipe.Writer, _flushed);
        using AttemptDeadline deadline = Deadline(CancellationToken.None);
        (StreamEnd end, _) = await EventCopier.CopyAsync(worker, client, null, deadline, CancellationToken.None, TestContext.Current.CancellationToken);
        await pipe.Writer.CompleteAsync();
        using var sent = new MemoryStream();
        await pipe.Reader.CopyToAsync(sent, TestContext.Current.CancellationToken);
        return (end, Encoding.UTF8.GetString(sent.ToArray()), client.Flushes);
    }

    private sealed class CountingWriter(PipeWriter inner, TaskCompletionSource flushed) : PipeWriter
    {
        public int Flushes { get; private set; }

        public override void Advance(int bytes) => inner.Advance(bytes);

        public override void CancelPendingFlush() => inner.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            Flushes++;
            flushed.TrySetResult();
            return inner.FlushAsync(cancellationToken);
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => inner.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => inner.GetSpan(sizeHint);
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
