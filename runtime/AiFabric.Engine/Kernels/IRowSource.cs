namespace AiFabric.Engine.Kernels;

/// <summary>Where a tile's rows come from. A type, so that a loop of either kind is compiled by itself and keeps its sums in registers.</summary>
internal interface IRowSource
{
    /// <summary>Whether from memory, row after row: the tile then asks for the rows behind its own, as processors do not guess that four streams are one.</summary>
    static abstract bool IsMemory { get; }
}

/// <summary>Rows that some cache holds, or that are used so often that it does not matter.</summary>
internal readonly struct InCache : IRowSource
{
    public static bool IsMemory => false;
}

/// <summary>Rows that are read for a few inputs.</summary>
internal readonly struct InMemory : IRowSource
{
    public static bool IsMemory => true;
}
