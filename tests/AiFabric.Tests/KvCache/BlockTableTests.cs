using AiFabric.Engine.KvCache;
using Xunit;

namespace AiFabric.Tests.KvCache;

public sealed class BlockTableTests
{
    private static readonly int[] Tokens = [.. Enumerable.Range(10, 12)];

    [Theory]
    [InlineData(4, 0)] // The last token is never served from the cache: its logits are needed.
    [InlineData(5, 4)]
    [InlineData(8, 4)]
    [InlineData(9, 8)]
    [InlineData(12, 8)]
    public void Full_blocks_before_the_last_token_are_shared(int length, int cached)
    {
        var pool = new BlockPool(8);
        var first = Filled(pool, Tokens, PrefixHash.Start(0, null));

        var second = new BlockTable(4, PrefixHash.Start(0, null));

        Assert.Equal(cached / 4, second.Estimate(pool, Tokens.AsSpan(0, length)).Cached);
        Assert.Equal(cached, second.ShareCached(pool, Tokens.AsSpan(0, length)));
        Assert.Equal(first.Blocks[..second.Count].ToArray(), second.Blocks.ToArray());
    }

    [Fact]
    public void A_difference_anywhere_before_a_block_ends_the_sharing()
    {
        var pool = new BlockPool(8);
        Filled(pool, Tokens, PrefixHash.Start(0, null));

        Assert.Equal(4, Shared(pool, [.. Tokens[..5], 99, .. Tokens[6..]], PrefixHash.Start(0, null)));
        Assert.Equal(0, Shared(pool, [99, .. Tokens[1..]], PrefixHash.Start(0, null)));
        Assert.Equal(0, Shared(pool, Tokens, PrefixHash.Start(1, null)));
        Assert.Equal(0, Shared(pool, Tokens, PrefixHash.Start(0, "")));
        Assert.Equal(0, Shared(pool, Tokens, PrefixHash.Start(0, "tenant")));
    }

    [Fact]
    public void Admission_counts_shared_blocks_that_are_free_as_needed()
    {
        var pool = new BlockPool(8);
        var holder = Filled(pool, Tokens, PrefixHash.Start(0, null));

        Assert.Equal((1, 2), new BlockTable(4, PrefixHash.Start(0, null)).Estimate(pool, Tokens));
        holder.Release(pool);
        Assert.Equal((3, 2), new BlockTable(4, PrefixHash.Start(0, null)).Estimate(pool, Tokens));
    }

    [Fact]
    public void Slots_follow_the_blocks()
    {
        var pool = new BlockPool(8);
        var table = Filled(pool, Tokens, PrefixHash.Start(0, null));

        for (int token = 0; token < Tokens.Length; token++)
            Assert.Equal((table.Blocks[token / 4].Index * 4) + (token % 4), table.Slot(token));
    }

    [Fact]
    public void Growing_takes_what_there_is_and_release_gives_all_back()
    {
        var pool = new BlockPool(2);
        var table = new BlockTable(4, default);

        Assert.True(table.TryGrow(pool, 5));
        Assert.True(table.TryGrow(pool, 8));
        Assert.False(table.TryGrow(pool, 9));
        table.Release(pool);

        Assert.Equal((2, 0), (pool.Free, table.Count));
    }

    private static int Shared(BlockPool pool, int[] tokens, PrefixHash start)
    {
        var table = new BlockTable(4, start);
        int shared = table.ShareCached(pool, tokens);
        table.Release(pool);
        return shared;
    }

    private static BlockTable Filled(BlockPool pool, int[] tokens, PrefixHash start)
    {
        var table = new BlockTable(4, start);
        Assert.True(table.TryGrow(pool, tokens.Length));
        table.Publish(pool, tokens, tokens.Length);
        return table;
    }
}
