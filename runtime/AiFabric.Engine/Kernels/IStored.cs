using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>How numbers of a row are stored that kernels widen while they read.</summary>
internal unsafe interface IStored
{
    /// <summary>Of one number.</summary>
    static abstract int Bytes { get; }

    /// <summary>A vector of numbers from one on.</summary>
    static abstract TVector Load<TLanes, TVector>(void* row, int from)
        where TLanes : struct, ILanes<TVector>
        where TVector : unmanaged;

    /// <summary>One number.</summary>
    static abstract float At(void* row, int index);
}

/// <summary>Float32.</summary>
internal readonly unsafe struct StoredFloat32 : IStored
{
    public static int Bytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(void* row, int from)
        where TLanes : struct, ILanes<TVector>
        where TVector : unmanaged => TLanes.Load((float*)row + from);

    public static float At(void* row, int index) => ((float*)row)[index];
}

/// <summary>BFloat16.</summary>
internal readonly unsafe struct StoredBFloat16 : IStored
{
    public static int Bytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(void* row, int from)
        where TLanes : struct, ILanes<TVector>
        where TVector : unmanaged => TLanes.LoadBFloat16((ushort*)row + from);

    public static float At(void* row, int index) => Q8.Scale(((ushort*)row)[index]);
}
