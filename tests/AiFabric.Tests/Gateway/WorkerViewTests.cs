using System.Runtime.InteropServices;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;
using Xunit;

namespace AiFabric.Tests.Gateway;

/// <summary>What the gateway knows of one worker.</summary>
public sealed class WorkerViewTests
{
    private static readonly PromptPieces Prompt = new(400, [11, 12, 13]);

    private readonly WorkerView view = new("uid");

    private static WorkerLoad Report(string cursor, bool whole, ulong[] added, params ulong[] removed) => new()
    {
        TotalKvBlocks = 100,
        FreeKvBlocks = 100,
        Prefixes = new PrefixChanges { Cursor = cursor, IsWhole = whole, Added = Bytes(added), Removed = Bytes(removed) },
    };

    private static byte[] Bytes(ulong[] names) => MemoryMarshal.AsBytes<ulong>(names).ToArray();

    private int Cached() => view.For(0, Prompt).CachedBytes;

    [Fact]
    public void The_longest_reported_beginning_counts_and_leaves_when_it_is_reported_gone()
    {
        Assert.Equal(0, Cached());
        view.Take(Report("a.1", whole: true, [11, 12]), 0);
        Assert.Equal((256, "a.1"), (Cached(), view.Cursor));
        view.Take(Report("a.2", whole: false, [13]), 0);
        Assert.Equal(384, Cached());
        view.Take(Report("a.3", whole: false, [], 13, 12), 0);
        Assert.Equal(128, Cached());
        view.Take(Report("b.1", whole: true, [99]), 0); // Another process.
        Assert.Equal(0, Cached());
    }

    [Fact]
    public void A_prompt_that_is_under_way_is_expected_until_a_report_must_have_it()
    {
        view.Expect(Prompt);
        view.Take(Report("a.1", whole: true, []), 0);
        view.Take(Report("a.1", whole: false, []), 0);
        Assert.Equal(384, Cached());
        view.Ended(Prompt);
        view.Take(Report("a.1", whole: false, []), 0); // May have been asked for before the end.
        Assert.Equal(384, Cached());
        view.Take(Report("a.1", whole: false, []), 0);
        Assert.Equal(0, Cached());
    }

    [Fact]
    public void A_worker_that_tells_nothing_any_more_has_nothing_cached()
    {
        view.Take(Report("a.1", whole: true, [11]), 0);
        view.Take(null, 0);
        Assert.Equal((0, null), (Cached(), view.Cursor));
    }

    [Theory]
    [InlineData(3, 0, 3, 3, 100, 3)] // All of them are this gateway's.
    [InlineData(3, 0, 1, 1, 100, 3)] // Two are not.
    [InlineData(3, 0, 1, 4, 100, 6)] // And three have come since.
    [InlineData(3, 2, 5, 5, 100, 7)] // Two wait.
    [InlineData(4, 0, 4, 4, 10, 6)] // Nine tenths of the cache are in use.
    [InlineData(4, 0, 4, 4, 0, 8)]
    public void Load_is_what_all_gateways_sent_what_waits_and_how_full_the_cache_is(int running, int queued, int ownThen, int ownNow, int free, double load)
    {
        view.Take(new WorkerLoad { RunningRequests = running, QueuedRequests = queued, TotalKvBlocks = 100, FreeKvBlocks = free }, ownThen);
        Assert.Equal(load, view.For(ownNow, null).Load, 9);
    }
}
