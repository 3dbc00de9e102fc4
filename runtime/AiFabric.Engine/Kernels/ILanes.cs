using System.Runtime.Intrinsics;

namespace AiFabric.Engine.Kernels;

/// <summary>
/// The few vector operations that kernels are written in. One kernel's source becomes code for 512, 256 or 128 bits by its type arguments,
/// which the JIT compiles apart and inlines whole.
/// </summary>
/// <typeparam name="TVector">The vector: several Float32.</typeparam>
internal unsafe interface ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Whether this processor computes on such vectors.</summary>
    static abstract bool IsSupported { get; }

    /// <summary>Numbers of a vector.</summary>
    static abstract int Count { get; }

    /// <summary>Vectors that the processor holds.</summary>
    static abstract int Registers { get; }

    static abstract TVector Zero { get; }

    static abstract TVector Broadcast(float value);

    static abstract TVector Load(float* from);

    /// <summary>Widens BFloat16, which is the upper half of a Float32.</summary>
    static abstract TVector LoadBFloat16(ushort* from);

    /// <summary>Twice as many bytes as <see cref="Count"/>, widened to signed 16 bits. In the vectors of this and the next three operations lie integers.</summary>
    static abstract TVector LoadPairs(sbyte* from);

    /// <summary>Two neighbours of 16 bits in every place.</summary>
    static abstract TVector BroadcastPair(short* from);

    /// <summary>In each place of 32 bits: sum + the products of both pairs of 16 bits.</summary>
    static abstract TVector AddPairs(TVector a, TVector b, TVector sum);

    /// <summary>32-bit integers as Float32.</summary>
    static abstract TVector ToFloat32(TVector integers);

    /// <summary>Rounded to 16 bits; the values must fit.</summary>
    static abstract void StoreInt16(TVector value, short* to);

    /// <summary>Asks for a cache line that will be read soon. Any address will do.</summary>
    static abstract void Prefetch(void* address);

    /// <summary>The same for later: into the second-level cache, since the first has no room for all that is read before.</summary>
    static abstract void PrefetchFar(void* address);

    static abstract void Store(TVector value, float* to);

    /// <summary>Narrowed to BFloat16: to nearest, ties to even; what is no number stays none.</summary>
    static abstract void StoreBFloat16(TVector value, ushort* to);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    static abstract TVector Max(TVector a, TVector b);

    static abstract TVector Exp(TVector value);

    /// <summary>a · b + c, rounded once where the processor can.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>The sums of four vectors' numbers.</summary>
    static abstract Vector128<float> Sums(TVector a, TVector b, TVector c, TVector d);

    /// <summary>The sums of sixteen vectors' numbers, stored in fours, a's first. Each has the bits that the sum of four gives it.</summary>
    static abstract void StoreSums(
        TVector a0, TVector a1, TVector a2, TVector a3, TVector b0, TVector b1, TVector b2, TVector b3,
        TVector c0, TVector c1, TVector c2, TVector c3, TVector d0, TVector d1, TVector d2, TVector d3, float* to, long pitch);

    static abstract float Largest(TVector value);
}
