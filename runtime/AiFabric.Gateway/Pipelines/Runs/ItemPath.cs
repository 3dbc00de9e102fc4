namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>
/// An item's ancestry: its index in each split that it went through, outermost first. Which split each index belongs to is the node's
/// <see cref="Graph.GraphNode.Level"/>; together they are ALTO's path of (stage, index).
/// </summary>
public readonly struct ItemPath : IEquatable<ItemPath>
{
    public static readonly ItemPath Root;

    private readonly int[]? _indexes;

    private ItemPath(int[] indexes) => _indexes = indexes;

    public int Depth => _indexes?.Length ?? 0;

    public int this[int level] => (_indexes ?? [])[level];

    public static ItemPath Of(params int[] indexes) => new([.. indexes]);

    /// <summary>The path of the item's part number <paramref name="index"/>.</summary>
    public ItemPath Child(int index) => new([.. _indexes ?? [], index]);

    /// <summary>The ancestor at a depth of at most <see cref="Depth"/>.</summary>
    public ItemPath Prefix(int depth) => depth == Depth ? this : new ItemPath((_indexes ?? [])[..depth]);

    public ItemPath Parent() => Prefix(Depth - 1);

    /// <summary>Whether <paramref name="ancestor"/> is this path or an ancestor of it.</summary>
    public bool IsWithin(ItemPath ancestor) =>
        ancestor.Depth <= Depth && (_indexes ?? []).AsSpan(0, ancestor.Depth).SequenceEqual(ancestor._indexes ?? []);

    public bool Equals(ItemPath other) => (_indexes ?? []).AsSpan().SequenceEqual(other._indexes ?? []);

    public override bool Equals(object? obj) => obj is ItemPath other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (int index in _indexes ?? [])
            hash.Add(index);
        return hash.ToHashCode();
    }

    /// <summary><c>2.0</c> for the first part of the third part; empty for the root.</summary>
    public override string ToString() => string.Join('.', _indexes ?? []);

    public static bool operator ==(ItemPath left, ItemPath right) => left.Equals(right);

    public static bool operator !=(ItemPath left, ItemPath right) => !left.Equals(right);
}
