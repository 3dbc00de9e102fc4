namespace AiFabric.Engine.Kernels;

/// <summary>How keys and values lie in the cache. Arithmetic is Float32 for both.</summary>
internal enum CacheFormat
{
    Float32,

    /// <summary>Half the memory; rounded to nearest, ties to even, when they are stored.</summary>
    BFloat16,
}

/// <summary>What follows from a <see cref="CacheFormat"/>.</summary>
internal static class CacheFormats
{
    /// <summary>Bytes of one number.</summary>
    public static int Bytes(this CacheFormat format) => format == CacheFormat.BFloat16 ? StoredBFloat16.Bytes : StoredFloat32.Bytes;
}
