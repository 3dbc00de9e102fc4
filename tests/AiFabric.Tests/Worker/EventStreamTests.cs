using System.Text;
using System.Threading.Channels;
using AiFabric.Worker.Streaming;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Tests.Worker;

/// <summary>When events go out, and in how many writes.</summary>
public sealed class EventStreamTests : IDisposable
{
    private readonly Channel<string> items = Channel.CreateBounded<string>(1_000);
    private readonly SentPieces sent = new();
    private readonly EventStream events;

    public EventStreamTests() => events = new EventStream(new DefaultHttpContext { Response = { Body = sent } }.Response);

    public void Dispose() => sent.Dispose();

    [Fact]
    public async Task An_event_goes_out_before_the_next_item_is_there()
    {
        Task copying = CopyAsync(CancellationToken.None);

        await items.Writer.WriteAsync("a", TestContext.Current.CancellationToken);
        Assert.Equal("data: a\n\n", await sent.Reader.ReadAsync(TestContext.Current.CancellationToken));
        await items.Writer.WriteAsync("b", TestContext.Current.CancellationToken);
        Assert.Equal("data: b\n\n", await sent.Reader.ReadAsync(TestContext.Current.CancellationToken));

        items.Writer.Complete();
        await copying;
    }

    [Fact]
    public async Task Events_that_are_there_together_go_out_in_one_write()
    {
        foreach (string item in (string[])["a", "b", "c"])
            await items.Writer.WriteAsync(item, TestContext.Current.CancellationToken);
        items.Writer.Complete();

        await CopyAsync(CancellationToken.None);

        Assert.Equal(["data: a\n\ndata: b\n\ndata: c\n\ndata: [DONE]\n\n"], sent.All());
    }

    [Fact]
    public async Task However_much_is_there_a_write_is_bounded()
    {
        string item = new('x', 1_000);
        for (int i = 0; i < 100; i++)
            await items.Writer.WriteAsync(item, TestContext.Current.CancellationToken);
        items.Writer.Complete();

        await CopyAsync(CancellationToken.None);

        var pieces = sent.All();
        Assert.InRange(pieces.Max(piece => piece.Length), 16_000, 20_000);
        Assert.Equal(string.Concat(Enumerable.Repeat($"data: {item}\n\n", 100)) + "data: [DONE]\n\n", string.Concat(pieces));
    }

    [Fact]
    public async Task A_client_that_left_ends_the_reading_of_items()
    {
        using var leaving = new CancellationTokenSource();
        Task copying = CopyAsync(leaving.Token);
        await items.Writer.WriteAsync("a", TestContext.Current.CancellationToken);
        await sent.Reader.ReadAsync(TestContext.Current.CancellationToken);

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => copying);
    }

    private async Task CopyAsync(CancellationToken cancellationToken)
    {
        await foreach (string item in events.SendWhileWaitingAsync(items.Reader.ReadAllAsync(CancellationToken.None), cancellationToken))
            events.Add(Encoding.UTF8.GetBytes(item));
        events.AddDone();
        await events.FlushAsync(cancellationToken);
    }

    /// <summary>A body that keeps what was in it at each flush.</summary>
    private sealed class SentPieces : MemoryStream
    {
        private readonly Channel<string> pieces = Channel.CreateBounded<string>(1_000);
        private int taken;

        public ChannelReader<string> Reader => pieces.Reader;

        public List<string> All()
        {
            var all = new List<string>();
            while (pieces.Reader.TryRead(out string? piece))
                all.Add(piece);
            return all;
        }

        public override async Task FlushAsync(CancellationToken cancellationToken)
        {
            await pieces.Writer.WriteAsync(Encoding.UTF8.GetString(ToArray()[taken..]), cancellationToken);
            taken = (int)Length;
        }
    }
}
