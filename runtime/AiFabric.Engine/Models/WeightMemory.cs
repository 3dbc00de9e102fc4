using AiFabric.Engine.Kernels;

namespace AiFabric.Engine.Models;

/// <summary>
/// Memory of a model's weights, in few large pieces: a matrix of a small model alone would fill no large page, and is read a third slower from small ones
/// (100 million parameters in 8 bits, AMD EPYC, Zen 4: products read 38 instead of 28 GB/s). What is asked for in turn lies in turn. For one thread.
/// </summary>
internal sealed unsafe class WeightMemory : IDisposable
{
    /// <summary>Of a piece. What nobody touches at its end costs nothing.</summary>
    private const long PieceBytes = 64 << 20;

    /// <summary>A cache line, and the widest vector.</summary>
    private const long Alignment = 64;

    private readonly List<NativeBuffer> pieces = [];
    private byte* next;
    private long left;

    /// <summary>Takes memory that stays until this is disposed. Not initialized.</summary>
    public void* Take(long bytes)
    {
        long whole = (bytes + Alignment - 1) / Alignment * Alignment;
        if (whole > left)
        {
            left = Math.Max(whole, PieceBytes);
            var piece = new NativeBuffer(left);
            pieces.Add(piece);
            next = (byte*)piece.Data;
        }
        void* taken = next;
        next += whole;
        left -= whole;
        return taken;
    }

    public void Dispose()
    {
        foreach (var piece in pieces)
            piece.Dispose();
    }
}
