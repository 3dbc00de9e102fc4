namespace AiFabric.Engine.KvCache;

/// <summary>One block of the key-value cache: the same slots in every layer.</summary>
public readonly record struct BlockId(int Index);

/// <summary>
/// Reference-counted blocks. A full block can be published under the hash of all tokens up to its end; when its last holder lets go
/// it stays findable until its memory is needed, least recently freed first. Not thread safe; allocates nothing after construction
/// except when the table of published blocks grows.
/// </summary>
public sealed class BlockPool
{
    private const int None = -1;
    private const int Held = -2;

    private readonly int[] references;
    private readonly PrefixHash[] published;
    private readonly ulong[] names; // Of published blocks; 0 for none.
    private readonly Dictionary<PrefixHash, int> byHash;

    // Free blocks form one doubly linked list in the order in which they are taken again. next is Held while a block is in use.
    private readonly int[] next;
    private readonly int[] previous;
    private int head = None;
    private int tail = None;

    /// <param name="blocks">Number of blocks.</param>
    public BlockPool(int blocks)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        references = new int[blocks];
        published = new PrefixHash[blocks];
        names = new ulong[blocks];
        Ledger = new PrefixLedger(blocks);
        next = new int[blocks];
        previous = new int[blocks];
        byHash = new Dictionary<PrefixHash, int>(blocks);
        for (int block = 0; block < blocks; block++)
            PushLast(block);
    }

    public int Total => references.Length;

    /// <summary>The names of published blocks, for other threads to read.</summary>
    public PrefixLedger Ledger { get; }

    /// <summary>Blocks that nobody holds.</summary>
    public int Free { get; private set; }

    /// <summary>Takes a free block with one reference; what it was published under is forgotten.</summary>
    /// <returns>False when no block is free.</returns>
    public bool TryAllocate(out BlockId block)
    {
        block = new BlockId(head);
        if (head == None)
            return false;
        int taken = head;
        Unlink(taken);
        Forget(taken);
        references[taken] = 1;
        return true;
    }

    /// <summary>Adds a holder to the block published under a hash.</summary>
    /// <returns>False when there is none.</returns>
    public bool TryShare(PrefixHash hash, out BlockId block)
    {
        if (!byHash.TryGetValue(hash, out int found))
        {
            block = default;
            return false;
        }
        block = new BlockId(found);
        if (references[found]++ == 0)
            Unlink(found);
        return true;
    }

    /// <summary>Whether a block is published under a hash, and whether sharing it would take a free block.</summary>
    public bool TryFind(PrefixHash hash, out bool isFree)
    {
        bool found = byHash.TryGetValue(hash, out int block);
        isFree = found && references[block] == 0;
        return found;
    }

    /// <summary>Makes a held, completely written block findable. The first block published under a hash keeps it.</summary>
    public void Publish(BlockId block, PrefixHash hash)
    {
        RequireHeld(block);
        if (published[block.Index] == default && byHash.TryAdd(hash, block.Index))
            published[block.Index] = hash;
    }

    /// <summary>Names the block published under a hash, if there is one; its last name counts.</summary>
    public void Name(PrefixHash hash, ulong name)
    {
        if (!byHash.TryGetValue(hash, out int block) || names[block] == name)
            return;
        if (names[block] != 0)
            Ledger.Remove(names[block]);
        names[block] = name;
        Ledger.Add(name);
    }

    /// <summary>Takes one holder away.</summary>
    /// <exception cref="InvalidOperationException">Nobody holds the block: a bug of the caller.</exception>
    public void Release(BlockId block)
    {
        RequireHeld(block);
        if (--references[block.Index] > 0)
            return;
        if (published[block.Index] == default)
            PushFirst(block.Index);
        else
            PushLast(block.Index);
    }

    /// <summary>Number of holders of a block.</summary>
    public int References(BlockId block) => references[block.Index];

    private void RequireHeld(BlockId block)
    {
        if (references[block.Index] <= 0)
            throw new InvalidOperationException($"Block {block.Index} is held by nobody.");
    }

    private void Forget(int block)
    {
        if (published[block] != default)
            byHash.Remove(published[block]);
        if (names[block] != 0)
            Ledger.Remove(names[block]);
        (published[block], names[block]) = (default, 0);
    }

    private void PushFirst(int block)
    {
        (previous[block], next[block]) = (None, head);
        if (head == None)
            tail = block;
        else
            previous[head] = block;
        head = block;
        Free++;
    }

    private void PushLast(int block)
    {
        (previous[block], next[block]) = (tail, None);
        if (tail == None)
            head = block;
        else
            next[tail] = block;
        tail = block;
        Free++;
    }

    private void Unlink(int block)
    {
        if (previous[block] == None)
            head = next[block];
        else
            next[previous[block]] = next[block];
        if (next[block] == None)
            tail = previous[block];
        else
            previous[next[block]] = previous[block];
        next[block] = Held;
        Free--;
    }
}
