using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace AiFabric.Engine.Weights;

/// <summary>Numbers in BFloat16, the upper half of a Float32. In vectors of a size that code compiled ahead of a start may use.</summary>
internal static class BFloat16Numbers
{
    /// <summary>Exact.</summary>
    public static void Widen(ReadOnlySpan<ushort> from, Span<float> to)
    {
        var bits = MemoryMarshal.Cast<float, uint>(to);
        int i = 0;
        for (; i <= from.Length - Vector128<ushort>.Count; i += Vector128<ushort>.Count)
        {
            var (lower, upper) = Vector128.Widen(Vector128.Create(from[i..]));
            (lower << 16).CopyTo(bits[i..]);
            (upper << 16).CopyTo(bits[(i + Vector128<uint>.Count)..]);
        }
        for (; i < from.Length; i++)
            bits[i] = (uint)from[i] << 16;
    }

    /// <summary>To the nearest, and to the even one of two equally near. What is no number stays so.</summary>
    public static void Narrow(ReadOnlySpan<float> from, Span<ushort> to)
    {
        var bits = MemoryMarshal.Cast<float, uint>(from);
        for (int i = 0; i < bits.Length; i++)
            to[i] = float.IsNaN(from[i]) ? (ushort)0x7FC0 : (ushort)((bits[i] + 0x7FFF + ((bits[i] >> 16) & 1)) >> 16);
    }
}
