using System.Collections.Immutable;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace AiFabric.Engine.Weights;

/// <summary>A tensor in a checkpoint's file, read row by row: a row runs along the last extent. Valid as long as its checkpoint is open.</summary>
internal abstract class StoredTensor
{
    /// <summary>How much may lie in memory of what was read: little beside any model, much beside the cost of letting it go.</summary>
    private const int MostHeldBytes = 8 << 20;

    private long heldBytes;

    /// <summary>For messages: the file and the tensor's name in it.</summary>
    public abstract string Place { get; }

    /// <summary>Row-major extents; empty for a scalar.</summary>
    public abstract ImmutableArray<long> Shape { get; }

    /// <summary>Element type of what <see cref="ReadRows"/> gives: the stored one or, where numbers are stored in blocks, Float32.</summary>
    public abstract ScalarType Type { get; }

    public long Columns => Shape.IsEmpty ? 1 : Shape[^1];

    public long Rows => Shape.IsEmpty ? 1 : Shape.AsSpan()[..^1].ToArray().Aggregate(1L, (product, extent) => product * extent);

    /// <summary>Bytes of an element of <see cref="Type"/>.</summary>
    public int ElementBytes => TensorTypes.Describe(Type).Bytes;

    /// <summary>Copies rows. Their pages in the file go again after a while.</summary>
    /// <param name="first">The first one.</param>
    /// <param name="to">As many rows of <see cref="Columns"/> elements of <see cref="Type"/> as are wanted.</param>
    public void ReadRows(long first, Span<byte> to)
    {
        CopyRows(first, to);
        Read(to.Length);
    }

    /// <summary>A row of llama.cpp's q8_0 blocks as they are stored; empty for every other format.</summary>
    public ReadOnlySpan<byte> Q8Blocks(long row)
    {
        var blocks = StoredQ8Blocks(row);
        Read(blocks.Length);
        return blocks;
    }

    /// <summary>Takes the file's pages out of memory; they come back where they are read again.</summary>
    public abstract void Release();

    protected abstract void CopyRows(long first, Span<byte> to);

    protected virtual ReadOnlySpan<byte> StoredQ8Blocks(long row) => [];

    private void Read(int bytes)
    {
        heldBytes += bytes;
        if (heldBytes <= MostHeldBytes)
            return;
        Release();
        heldBytes = 0;
    }

    /// <summary>Copies a row as Float32.</summary>
    /// <param name="row">Which one.</param>
    /// <param name="to">[<see cref="Columns"/>].</param>
    /// <param name="bytes">Room for a row in <see cref="Type"/>.</param>
    public void ReadRow(long row, Span<float> to, Span<byte> bytes)
    {
        if (Type == ScalarType.Float32)
        {
            ReadRows(row, MemoryMarshal.AsBytes(to));
            return;
        }
        ReadRows(row, bytes);
        switch (Type)
        {
            case ScalarType.BFloat16:
                BFloat16Numbers.Widen(MemoryMarshal.Cast<byte, ushort>(bytes), to);
                break;
            case ScalarType.Float16:
                var half = MemoryMarshal.Cast<byte, Half>(bytes);
                for (int i = 0; i < to.Length; i++)
                    to[i] = (float)half[i];
                break;
            default:
                var wide = MemoryMarshal.Cast<byte, double>(bytes);
                for (int i = 0; i < to.Length; i++)
                    to[i] = (float)wide[i];
                break;
        }
    }
}
