using System.Runtime.InteropServices;
using AiFabric.Engine.Requests;

namespace AiFabric.Engine.KvCache;

/// <summary>The blocks of one sequence, in order: token i lies in block i / blockSize, slot i % blockSize.</summary>
/// <param name="blockSize">Tokens of a block.</param>
/// <param name="start">Beginning of the sequence's hash chain.</param>
/// <param name="names">Names of the sequence's beginnings, shortest first; null for none.</param>
public sealed class BlockTable(int blockSize, PrefixHash start, IReadOnlyList<PrefixName>? names = null)
{
    private readonly List<BlockId> blocks = [];
    private readonly List<PrefixHash> hashes = [];
    private int publishedBlocks;
    private int named; // Names that were given to blocks or skipped.

    public int BlockSize { get; } = blockSize;

    public int Count => blocks.Count;

    /// <summary>Tokens for which it has blocks.</summary>
    public int Capacity => blocks.Count * BlockSize;

    public ReadOnlySpan<BlockId> Blocks => CollectionsMarshal.AsSpan(blocks);

    /// <summary>Makes room for the blocks of a number of tokens, so that growing to them allocates nothing.</summary>
    public void Reserve(int tokens)
    {
        blocks.EnsureCapacity(BlocksFor(tokens));
        hashes.EnsureCapacity(BlocksFor(tokens));
    }

    /// <summary>Where a token's keys and values lie, counted in slots from the pool's beginning.</summary>
    public int Slot(int token) => (blocks[token / BlockSize].Index * BlockSize) + (token % BlockSize);

    /// <summary>Blocks that a number of tokens fills, the last perhaps in part.</summary>
    public int BlocksFor(int tokens) => (tokens + BlockSize - 1) / BlockSize;

    /// <summary>Takes blocks until the table holds a number of tokens.</summary>
    /// <returns>False when the pool ran out; blocks taken until then are kept.</returns>
    public bool TryGrow(BlockPool pool, int tokens)
    {
        while (blocks.Count * BlockSize < tokens)
        {
            if (!pool.TryAllocate(out var block))
                return false;
            blocks.Add(block);
        }
        return true;
    }

    /// <summary>How many free blocks admission of a sequence takes, and how many of its blocks are already in the cache.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="tokens">All tokens of the sequence; its last is never served from the cache, since its logits are needed.</param>
    public (int FreeNeeded, int Cached) Estimate(BlockPool pool, ReadOnlySpan<int> tokens)
    {
        int cached = 0, free = 0;
        while ((cached + 1) * BlockSize < tokens.Length && pool.TryFind(HashOf(cached, tokens), out bool isFree))
        {
            cached++;
            free += isFree ? 1 : 0;
        }
        return (free + BlocksFor(tokens.Length) - cached, cached);
    }

    /// <summary>Starts the table with blocks of the cache.</summary>
    /// <returns>Tokens that need not be computed.</returns>
    public int ShareCached(BlockPool pool, ReadOnlySpan<int> tokens)
    {
        while ((blocks.Count + 1) * BlockSize < tokens.Length && pool.TryShare(HashOf(blocks.Count, tokens), out var block))
        {
            Name(pool, blocks.Count, tokens);
            blocks.Add(block);
        }
        publishedBlocks = blocks.Count;
        return blocks.Count * BlockSize;
    }

    /// <summary>Publishes the blocks that are full of computed tokens.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="tokens">All tokens of the sequence.</param>
    /// <param name="computed">How many of them have their keys and values in the blocks.</param>
    public void Publish(BlockPool pool, ReadOnlySpan<int> tokens, int computed)
    {
        for (; (publishedBlocks + 1) * BlockSize <= computed; publishedBlocks++)
        {
            pool.Publish(blocks[publishedBlocks], HashOf(publishedBlocks, tokens));
            Name(pool, publishedBlocks, tokens);
        }
    }

    /// <summary>Gives all blocks back, the last first, so that the beginnings of prompts stay in the cache longest.</summary>
    public void Release(BlockPool pool)
    {
        for (int i = blocks.Count - 1; i >= 0; i--)
            pool.Release(blocks[i]);
        blocks.Clear();
        (publishedBlocks, named) = (0, 0);
    }

    // A block bears the name of the longest beginning that ends in it or, where that does not fill it, in the one after.
    private void Name(BlockPool pool, int block, ReadOnlySpan<int> tokens)
    {
        if (names is null)
            return;
        ulong name = 0;
        for (; named < names.Count && names[named].Tokens / BlockSize <= block + 1; named++)
            name = names[named].Tokens / BlockSize == block + 1 ? names[named].Name : name;
        if (name != 0)
            pool.Name(HashOf(block, tokens), name);
    }

    // Tokens only grow, so a full block's hash is computed once, however often admission is tried.
    private PrefixHash HashOf(int block, ReadOnlySpan<int> tokens)
    {
        for (int i = hashes.Count; i <= block; i++)
            hashes.Add((i == 0 ? start : hashes[i - 1]).Next(tokens.Slice(i * BlockSize, BlockSize)));
        return hashes[block];
    }
}
