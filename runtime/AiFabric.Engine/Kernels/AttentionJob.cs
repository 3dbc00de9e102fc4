using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>Some consecutive rows of one sequence that attend to the positions before them and to themselves.</summary>
internal unsafe struct AttentionRows
{
    /// <summary>First row of the packed batch.</summary>
    public int First;

    public int Count;

    /// <summary>Position of the first row; the others follow.</summary>
    public int Position;

    /// <summary>Blocks of the sequence: position p lies in block p / blockSize.</summary>
    public int* Blocks;

    public int BlockSize;

    /// <summary>Rotated keys, block after block. In the cache a block is [keyHeads, blockSize, headSize], so that a head's keys follow each other in memory.</summary>
    public void* Keys;

    /// <summary>Values, in the same order.</summary>
    public void* Values;

    /// <summary>Of both.</summary>
    public CacheFormat Format;

    /// <summary>Numbers from one position of a block to the next.</summary>
    public int Pitch;

    /// <summary>Numbers from one head of a block to the next.</summary>
    public int HeadPitch;

    /// <summary>Positions that the last row sees, its own among them.</summary>
    public readonly int Context => Position + Count;

    /// <summary>Where a head's keys or values begin in the block of a position, moved on to that position.</summary>
    /// <param name="cached"><see cref="Keys"/> or <see cref="Values"/>.</param>
    /// <param name="position">Which one.</param>
    /// <param name="keyHead">Which head.</param>
    /// <param name="slot">Numbers of a position: keyHeads · headSize.</param>
    public readonly byte* At<TStored>(void* cached, int position, int keyHead, int slot)
        where TStored : struct, IStored =>
        (byte*)cached + (((Blocks[position / BlockSize] * (long)BlockSize * slot) + (keyHead * (long)HeadPitch) + (position % BlockSize * (long)Pitch)) * TStored.Bytes);

    /// <summary>Positions from one on that lie in its block.</summary>
    public readonly int InBlock(int position) => Math.Min(BlockSize - (position % BlockSize), Context - position);
}

/// <summary>How a layer attends.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyHeads">Key and value heads.</param>
/// <param name="HeadSize">Numbers of a head.</param>
/// <param name="Scale">Factor on products of queries and keys.</param>
/// <param name="SoftCap">c, where scores become c · tanh(score / c); 0 where they do not.</param>
/// <param name="Window">Positions that a row sees, its own among them.</param>
internal readonly record struct AttentionShape(int Heads, int KeyHeads, int HeadSize, float Scale, float SoftCap = 0, int Window = int.MaxValue)
{
    /// <summary>Keys that queries are multiplied with at once.</summary>
    public const int KeysAtOnce = 4;

    /// <summary>Query heads of a key head.</summary>
    public int Group => Heads / KeyHeads;

    /// <summary>The first position that the row at a position sees.</summary>
    public int FirstSeen(int position) => Math.Max(0, position - Window + 1);

    /// <summary>The first position that is looked at for some rows: on a tile's edge, so that tiles do not straddle blocks.</summary>
    public int FirstScored(in AttentionRows rows) => FirstSeen(rows.Position) / KeysAtOnce * KeysAtOnce;
}

/// <summary>
/// Grouped-query attention straight from the cache's blocks. A piece is one key head of one entry: the queries of its group stand below each
/// other as more queries on the same keys.
/// </summary>
internal readonly unsafe struct AttentionJob<TLanes, TVector>(
    AttentionRows* entries, float* queries, float* output, AttentionShape shape, int longest) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    private const int Keys = AttentionShape.KeysAtOnce;

    /// <summary>Bytes of a cache line.</summary>
    private const int Line = 64;

    /// <summary>Tiles of queries from which narrow keys are restored once for all, and not for each.</summary>
    private const int Many = 4;

    private readonly int headSize = shape.HeadSize;
    private readonly int keyHeads = shape.KeyHeads;

    /// <summary>Queries of a tile.</summary>
    private static int Tile => MatrixTiles<TLanes, TVector>.Inputs;

    /// <param name="rows">Rows of an entry at most.</param>
    /// <param name="longest">Positions that are looked at for an entry at most.</param>
    /// <param name="shape">Heads and their size.</param>
    public static long ScratchFloats(int rows, int longest, in AttentionShape shape) =>
        ((long)((rows * shape.Group) + Tile) * (Pitch(longest) + (2 * shape.HeadSize))) + RestoredFloats(rows * shape.Group, longest, shape.HeadSize);

    public void Run(int piece, float* scratch)
    {
        ref readonly var entry = ref entries[piece / keyHeads];
        int keyHead = piece % keyHeads;
        if (entry.Format == CacheFormat.Float32)
            Attend<StoredFloat32>(entry, keyHead, scratch);
        else if (entry.Count * shape.Group < Many * Tile)
            Attend<StoredBFloat16>(entry, keyHead, scratch);
        else
            AttendRestored(entry, keyHead, scratch);
    }

    private void Attend<TStored>(in AttentionRows entry, int keyHead, float* scratch)
        where TStored : struct, IStored
    {
        int count = entry.Count * shape.Group, from = shape.FirstScored(entry);
        long pitch = Pitch(longest);
        float* q = scratch, scores = q + ((long)(count + Tile) * headSize), mixed = scores + ((count + Tile) * pitch);
        Gather(entry, keyHead, q);
        Scores<TStored>(entry, keyHead, q, count, from, scores, pitch);
        Shares(entry, scores, pitch);
        Mix<TStored>(entry, keyHead, scores, pitch, mixed);
        PutOut(entry, keyHead, mixed);
    }

    /// <summary>The same, with a head's keys, then its values, in Float32 one after the other: a block that holds them all.</summary>
    private void AttendRestored(in AttentionRows entry, int keyHead, float* scratch)
    {
        int count = entry.Count * shape.Group, from = shape.FirstScored(entry), first = 0;
        long pitch = Pitch(longest);
        float* wide = scratch, q = wide + ((long)longest * headSize), scores = q + ((long)(count + Tile) * headSize), mixed = scores + ((count + Tile) * pitch);
        float* origin = wide - ((long)from * headSize);
        var restored = entry with { Keys = origin, Values = origin, Format = CacheFormat.Float32, Blocks = &first, BlockSize = entry.Context, Pitch = headSize, HeadPitch = 0 };
        Gather(entry, keyHead, q);
        Restore<StoredBFloat16>(entry, entry.Keys, keyHead, from, wide);
        Scores<StoredFloat32>(restored, keyHead, q, count, from, scores, pitch);
        Shares(entry, scores, pitch);
        Restore<StoredBFloat16>(entry, entry.Values, keyHead, from, wide);
        Mix<StoredFloat32>(restored, keyHead, scores, pitch, mixed);
        PutOut(entry, keyHead, mixed);
    }

    /// <summary>Scores become shares: what a row does not see gets none, and neither do the queries that fill up the last tile.</summary>
    private void Shares(in AttentionRows entry, float* scores, long pitch)
    {
        int count = entry.Count * shape.Group, from = shape.FirstScored(entry);
        for (int i = 0; i < count; i++)
        {
            int position = entry.Position + (i / shape.Group);
            Softmax(scores + (i * pitch), shape.FirstSeen(position) - from, position + 1 - from, entry.Context - from);
        }
        new Span<float>(scores + (count * pitch), (int)(Padding(count) * pitch)).Clear();
    }

    private void Mix<TStored>(in AttentionRows entry, int keyHead, float* shares, long pitch, float* mixed)
        where TStored : struct, IStored
    {
        var values = new AttentionMix<TLanes, TVector, TStored>(entry, keyHeads, headSize, keyHead, shape.FirstScored(entry));
        for (int i = 0; i < entry.Count * shape.Group; i += Tile)
            values.Mix(shares + (i * pitch), pitch, mixed + (i * (long)headSize), ahead: i == 0);
    }

    private void PutOut(in AttentionRows entry, int keyHead, float* mixed)
    {
        for (int i = 0; i < entry.Count * shape.Group; i++)
        {
            var row = new ReadOnlySpan<float>(mixed + (i * (long)headSize), headSize);
            row.CopyTo(new Span<float>(output + Place(entry, keyHead, i), headSize));
        }
    }

    private static long RestoredFloats(int queries, int longest, int headSize) => queries < Many * Tile ? 0 : (long)longest * headSize;

    /// <summary>A head's keys or values from a position on, one after the other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Restore<TStored>(in AttentionRows entry, void* cached, int keyHead, int from, float* to)
        where TStored : struct, IStored
    {
        for (int start = from, length; start < entry.Context; start += length)
        {
            length = entry.InBlock(start);
            byte* row = entry.At<TStored>(cached, start, keyHead, keyHeads * headSize);
            for (int i = 0; i < length; i++, row += entry.Pitch * TStored.Bytes, to += headSize)
            {
                int d = 0;
                for (; d + TLanes.Count <= headSize; d += TLanes.Count)
                    TLanes.Store(TStored.Load<TLanes, TVector>(row, d), to + d);
                for (; d < headSize; d++)
                    to[d] = TStored.At(row, d);
            }
        }
    }

    // A cache line further than whole pages, so that tiles of rows do not fall on the same lines of the first-level cache.
    private static long Pitch(int longest) => ((longest + 15) / 16 * 16) + 16;

    private static int Padding(int count) => (Tile - (count % Tile)) % Tile;

    private long Place(in AttentionRows entry, int keyHead, int i) =>
        (((entry.First + (i / shape.Group)) * (long)shape.Heads) + (keyHead * shape.Group) + (i % shape.Group)) * headSize;

    /// <summary>The queries of a group, scaled, below each other; the last tile is filled up with zeros.</summary>
    private void Gather(in AttentionRows entry, int keyHead, float* to)
    {
        int count = entry.Count * shape.Group;
        var scale = TLanes.Broadcast(shape.Scale);
        for (int i = 0; i < count; i++)
        {
            float* from = queries + Place(entry, keyHead, i), into = to + (i * headSize);
            int d = 0;
            for (; d + TLanes.Count <= headSize; d += TLanes.Count)
                TLanes.Store(TLanes.Multiply(TLanes.Load(from + d), scale), into + d);
            for (; d < headSize; d++)
                into[d] = from[d] * shape.Scale;
        }
        new Span<float>(to + (count * headSize), Padding(count) * headSize).Clear();
    }

    /// <summary>Products of the queries with the keys of positions from one on; the scores of that one come first.</summary>
    private void Scores<TStored>(in AttentionRows entry, int keyHead, float* q, int count, int from, float* scores, long pitch)
        where TStored : struct, IStored
    {
        int slot = keyHeads * headSize, step = entry.Pitch, context = entry.Context;
        long stepBytes = (long)step * TStored.Bytes;
        for (int start = from, length; start < context; start += length)
        {
            length = entry.InBlock(start);
            byte* keys = entry.At<TStored>(entry.Keys, start, keyHead, slot);
            float* to = scores + start - from;
            int key = 0;
            byte* next = start + length < context ? entry.At<TStored>(entry.Keys, start + length, keyHead, slot) : keys;
            for (; key + Keys <= length; key += Keys)
            {
                AskFor(next + (key * stepBytes), stepBytes, headSize * TStored.Bytes);
                for (int i = 0; i < count; i += Tile)
                    MatrixTiles<TLanes, TVector>.Tile<TStored>(keys + (key * stepBytes), step, q + (i * headSize), headSize, headSize, to + (i * pitch) + key, pitch);
            }
            // The last keys of a block that is not full, or of a small block: each stands for four, and the next one's scores replace the surplus.
            for (; key < length; key++)
            {
                for (int i = 0; i < count; i += Tile)
                    MatrixTiles<TLanes, TVector>.Tile<TStored>(keys + (key * stepBytes), 0, q + (i * headSize), headSize, headSize, to + (i * pitch) + key, pitch);
            }
        }
    }

    /// <summary>Asks for some keys that will be read soon: the processor does not see that one block follows another.</summary>
    private static void AskFor(byte* keys, long step, int bytes)
    {
        for (int key = 0; key < Keys; key++, keys += step)
        {
            for (int line = 0; line < bytes; line += Line)
                TLanes.Prefetch(keys + line);
        }
    }

    /// <summary>Over the scores from the first visible one to the last; the others get 0.</summary>
    private void Softmax(float* scores, int first, int end, int count)
    {
        new Span<float>(scores, first).Clear();
        if (shape.SoftCap > 0)
            SoftCapJob<TLanes, TVector>.Apply(scores + first, end - first, shape.SoftCap);
        Softmax(scores + first, end - first);
        new Span<float>(scores + end, count - end).Clear();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax(float* scores, int visible)
    {
        int whole = visible - (visible % TLanes.Count), p = 0;
        float most = float.NegativeInfinity;
        if (whole > 0)
        {
            var largest = TLanes.Load(scores);
            for (; p < whole; p += TLanes.Count)
                largest = TLanes.Max(largest, TLanes.Load(scores + p));
            most = TLanes.Largest(largest);
        }
        for (; p < visible; p++)
            most = MathF.Max(most, scores[p]);
        var (minus, sums) = (TLanes.Broadcast(-most), TLanes.Zero);
        for (p = 0; p < whole; p += TLanes.Count)
        {
            var e = TLanes.Exp(TLanes.Add(TLanes.Load(scores + p), minus));
            TLanes.Store(e, scores + p);
            sums = TLanes.Add(sums, e);
        }
        float sum = TLanes.Sums(sums, TLanes.Zero, TLanes.Zero, TLanes.Zero)[0];
        for (; p < visible; p++)
            sum += scores[p] = MathF.Exp(scores[p] - most);
        var factor = TLanes.Broadcast(1 / sum);
        for (p = 0; p < whole; p += TLanes.Count)
            TLanes.Store(TLanes.Multiply(TLanes.Load(scores + p), factor), scores + p);
        for (; p < visible; p++)
            scores[p] /= sum;
    }
}
