namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>
/// Which items of one node are settled, and which groups of them are closed. A group closes, once, when its split has said how many parts it has
/// and as many are closed themselves: whatever the order in which all that becomes known.
/// </summary>
public sealed class GroupTree
{
    private readonly Dictionary<ItemPath, Group> _groups = [];

    public bool IsClosed(ItemPath path) => _groups.TryGetValue(path, out Group? group) && group.IsClosed;

    /// <summary>How many members the group has; null while its split goes on.</summary>
    public int? Expected(ItemPath path) => _groups.TryGetValue(path, out Group? group) ? group.Expected : null;

    /// <summary>The closed groups at a depth.</summary>
    public IReadOnlyList<ItemPath> ClosedAt(int depth) =>
        [.. _groups.Where(entry => entry.Key.Depth == depth && entry.Value.IsClosed).Select(entry => entry.Key)];

    /// <summary>An item, or a whole group that will have no items, is settled.</summary>
    /// <returns>What is closed by that, from the inside out; empty when it was closed before.</returns>
    public IReadOnlyList<ItemPath> Settle(ItemPath path)
    {
        Group group = Of(path);
        if (group.IsClosed)
            return [];
        group.IsClosed = true;
        var closed = new List<ItemPath> { path };
        CloseOutwards(path, closed);
        return closed;
    }

    /// <summary>The group has this many members.</summary>
    /// <returns>What is closed by that, from the inside out.</returns>
    public IReadOnlyList<ItemPath> Expect(ItemPath path, int members)
    {
        Group group = Of(path);
        group.Expected ??= members;
        if (group.IsClosed || group.Closed != group.Expected)
            return [];
        group.IsClosed = true;
        var closed = new List<ItemPath> { path };
        CloseOutwards(path, closed);
        return closed;
    }

    private void CloseOutwards(ItemPath path, List<ItemPath> closed)
    {
        while (path.Depth > 0)
        {
            path = path.Parent();
            Group group = Of(path);
            group.Closed++;
            if (group.IsClosed || group.Closed != group.Expected)
                return;
            group.IsClosed = true;
            closed.Add(path);
        }
    }

    private Group Of(ItemPath path)
    {
        if (!_groups.TryGetValue(path, out Group? group))
            _groups[path] = group = new Group();
        return group;
    }

    private sealed class Group
    {
        /// <summary>Members, as the split said.</summary>
        public int? Expected { get; set; }

        /// <summary>Members that are closed.</summary>
        public int Closed { get; set; }

        public bool IsClosed { get; set; }
    }
}
