using AiFabric.Engine.KvCache;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.KvCache;

public sealed class BlockPoolTests
{
    [Fact]
    public void A_pool_gives_each_block_once_and_then_none()
    {
        var pool = new BlockPool(3);

        var taken = Enumerable.Range(0, 3).Select(_ => Take(pool)).ToHashSet();

        Assert.Equal(3, taken.Count);
        Assert.False(pool.TryAllocate(out _));
        Assert.Equal(0, pool.Free);
    }

    [Fact]
    public void A_published_block_is_found_after_its_release_until_its_memory_is_needed()
    {
        var pool = new BlockPool(2);
        var (hash, other) = (Hash(1), Hash(2));
        var block = Take(pool);
        pool.Publish(block, hash);
        pool.Release(block);

        Assert.True(pool.TryShare(hash, out var shared));
        Assert.Equal(block, shared);
        Assert.False(pool.TryShare(other, out _));
        pool.Release(shared);
        Assert.NotEqual(block, Take(pool)); // The unpublished one goes first.
        Assert.True(pool.TryFind(hash, out bool isFree) && isFree);
        Assert.Equal(block, Take(pool));
        Assert.False(pool.TryFind(hash, out _));
    }

    [Fact]
    public void The_least_recently_released_published_block_is_taken_first()
    {
        var pool = new BlockPool(3);
        BlockId[] blocks = [Take(pool), Take(pool), Take(pool)];
        for (int i = 0; i < 3; i++)
            pool.Publish(blocks[i], Hash(i));
        foreach (int i in new[] { 1, 0, 2 })
            pool.Release(blocks[i]);
        Assert.True(pool.TryShare(Hash(1), out _)); // Used again: the youngest once released.
        pool.Release(blocks[1]);

        Assert.Equal([blocks[0], blocks[2], blocks[1]], [Take(pool), Take(pool), Take(pool)]);
    }

    [Fact]
    public void The_first_block_of_a_hash_keeps_it()
    {
        var pool = new BlockPool(2);
        var (first, second) = (Take(pool), Take(pool));
        pool.Publish(first, Hash(1));
        pool.Publish(second, Hash(1));
        pool.Publish(first, Hash(2));

        Assert.True(pool.TryShare(Hash(1), out var found));
        Assert.Equal(first, found);
        Assert.False(pool.TryFind(Hash(2), out _));
        Assert.Equal(2, pool.References(first));
    }

    [Fact]
    public void Releasing_what_nobody_holds_is_an_error()
    {
        var pool = new BlockPool(2);
        var block = Take(pool);
        pool.Release(block);

        Assert.Throws<InvalidOperationException>(() => pool.Release(block));
        Assert.Throws<InvalidOperationException>(() => pool.Publish(block, Hash(1)));
    }

    [Fact]
    public void Any_sequence_of_operations_keeps_count_of_every_holder()
    {
        // Each operation: 0 allocate, 1 share a hash, 2 release a held block, 3 publish a held block.
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 7]).Array[0, 200].Sample(operations =>
        {
            var pool = new BlockPool(5);
            var held = new List<BlockId>();
            foreach (var (operation, argument) in operations)
            {
                if (operation == 0 && pool.TryAllocate(out var block))
                {
                    Assert.DoesNotContain(block, held);
                    held.Add(block);
                }
                else if (operation == 1 && pool.TryShare(Hash(argument), out block))
                {
                    held.Add(block);
                }
                else if (operation == 2 && held.Count > 0)
                {
                    pool.Release(held[argument % held.Count]);
                    held.RemoveAt(argument % held.Count);
                }
                else if (operation == 3 && held.Count > 0)
                {
                    pool.Publish(held[argument % held.Count], Hash(argument));
                }
                Assert.Equal(5 - held.Distinct().Count(), pool.Free);
                Assert.All(held, b => Assert.Equal(held.Count(h => h == b), pool.References(b)));
            }
            foreach (var block in held)
                pool.Release(block);
            return pool.Free == 5 && Enumerable.Range(0, 5).Select(_ => Take(pool)).Distinct().Count() == 5;
        });
    }

    private static BlockId Take(BlockPool pool)
    {
        Assert.True(pool.TryAllocate(out var block));
        return block;
    }

    private static PrefixHash Hash(int number) => PrefixHash.Start(number, null);
}
