using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using Xunit;

namespace AiFabric.Tests.KvCache;

public sealed class PrefixLedgerTests
{
    private static readonly int[] Tokens = [.. Enumerable.Range(10, 12)];

    private static BlockTable Filled(BlockPool pool, int[] tokens, params PrefixName[] names)
    {
        var table = new BlockTable(4, PrefixHash.Start(0, null), names);
        table.ShareCached(pool, tokens);
        Assert.True(table.TryGrow(pool, tokens.Length));
        table.Publish(pool, tokens, tokens.Length);
        return table;
    }

    [Fact]
    public void Changes_since_a_version_make_the_earlier_state_the_later_one()
    {
        var random = new Random(3);
        var ledger = new PrefixLedger(capacity: 40);
        var state = new HashSet<ulong>();
        long version = -1;
        for (int round = 0; round < 300; round++)
        {
            for (int i = random.Next(random.Next(10) == 0 ? 3_000 : 30); i > 0; i--) // Sometimes more than it remembers.
            {
                ulong name = (ulong)random.Next(1, 20);
                if (random.Next(2) == 0)
                    ledger.Add(name);
                else
                    ledger.Remove(name);
            }
            LedgerChanges changes = ledger.Read(version);
            if (changes.IsWhole)
                state.Clear();
            state.ExceptWith(changes.Removed);
            state.UnionWith(changes.Added);
            version = changes.Version;
            Assert.Equal(ledger.Read(-1).Added.Order(), state.Order());
        }
    }

    [Fact]
    public void A_name_lasts_as_long_as_the_block_that_its_beginning_fills()
    {
        var pool = new BlockPool(3);
        // 3 tokens fill no block, 6 fill the first, 11 the second; 12 the third.
        BlockTable table = Filled(pool, Tokens, new(3, 1), new(6, 2), new(11, 3), new(12, 4));
        Assert.Equal<ulong>([2, 3, 4], pool.Ledger.Read(-1).Added.Order());

        table.Release(pool);
        Assert.Equal<ulong>([2, 3, 4], pool.Ledger.Read(-1).Added.Order()); // Still findable.
        Filled(pool, [99, 98, 97, 96]); // Takes the block that was freed first: the last of the chain.
        Assert.Equal<ulong>([2, 3], pool.Ledger.Read(-1).Added.Order());
    }

    [Fact]
    public void Blocks_that_are_found_get_the_names_of_who_finds_them()
    {
        var pool = new BlockPool(8);
        Filled(pool, Tokens).Release(pool);
        Assert.Empty(pool.Ledger.Read(-1).Added);
        Filled(pool, Tokens, new(4, 1), new(8, 2));
        Assert.Equal<ulong>([1, 2], pool.Ledger.Read(-1).Added.Order());
    }

    [Fact]
    public void A_sequence_that_computes_what_another_has_published_names_the_others_block()
    {
        var pool = new BlockPool(8);
        BlockTable[] both = [new BlockTable(4, PrefixHash.Start(0, null)), new BlockTable(4, PrefixHash.Start(0, null), [new(4, 1)])];
        foreach (BlockTable table in both)
        {
            Assert.True(table.TryGrow(pool, 8));
            table.Publish(pool, Tokens, 8);
        }
        Assert.Equal<ulong>([1], pool.Ledger.Read(-1).Added);
        both[1].Release(pool);
        Assert.Equal<ulong>([1], pool.Ledger.Read(-1).Added);
    }
}
