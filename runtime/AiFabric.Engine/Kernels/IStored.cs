using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>How numbers of a row are stored that kernels widen while they read, and narrow while they write.</summary>
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

    /// <summary>Stores a vector of numbers from one on, rounded to nearest, ties to even.</summary>
    static abstract void Store<TLanes, TVector>(TVector value, void* row, int from)
        where TLanes : struct, ILanes<TVector>
        where TVector : unmanaged;

    /// <summary>Stores one number, rounded in the same way.</summary>
    static abstract void Put(float value, void* row, int index);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes, TVector>(TVector value, void* row, int from)
        where TLanes : struct, ILanes<TVector>
        where TVector : unmanaged => TLanes.Store(value, (float*)row + from);

    public static void Put(float value, void* row, int index) => ((float*)row)[index] = value;
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes, TVector>(TVector value, void* row, int from)
        where TLanes : struct, ILanes<TVector>
        where TVector : unmanaged => TLanes.StoreBFloat16(value, (ushort*)row + from);

    public static void Put(float value, void* row, int index)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        ((ushort*)row)[index] = (ushort)(float.IsNaN(value) ? (bits >> 16) | 0x40 : (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
