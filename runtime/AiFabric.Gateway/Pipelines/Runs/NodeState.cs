using AiFabric.Gateway.Pipelines.Text;

namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>What a run knows of one item of one node.</summary>
internal sealed class Item
{
    public ItemText Text { get; } = new();

    /// <summary>No more events of it count: it is whole, cancelled or failed.</summary>
    public bool IsOver { get; set; }

    /// <summary>All of it is here.</summary>
    public bool IsDone => IsOver && Text.IsWhole;

    /// <summary>A call or fold that was asked for.</summary>
    public bool IsRunning { get; set; }

    /// <summary>A soft stage failed before it made anything: its text is empty, and joins pass it over.</summary>
    public bool IsMissing { get; set; }

    /// <summary>For a split: the cutter of the input's text, and the parts so far.</summary>
    public ITextCutter? Cutter { get; set; }

    public int Parts { get; set; }

    /// <summary>For a join in order: the member whose turn it is.</summary>
    public int Turn { get; set; }

    /// <summary>For a split, how much of the input was cut; for a join, how much of the member whose turn it is was passed on.</summary>
    public int PassedOn { get; set; }

    /// <summary>For a join: the members taken.</summary>
    public HashSet<int> Taken { get; } = [];

    /// <summary>For a fold: items given.</summary>
    public int Given { get; set; }

    /// <summary>For a fold, the group is closed; for a filter, the item passes.</summary>
    public bool IsDecided { get; set; }
}

/// <summary>What a run knows of one node.</summary>
internal sealed class NodeState(int inputs)
{
    public Dictionary<ItemPath, Item> Items { get; } = [];

    public GroupTree Tree { get; } = new();

    /// <summary>Items, or all under a path, that will never be.</summary>
    public HashSet<ItemPath> Dropped { get; } = [];

    /// <summary>Items, or all under a path, that nobody waits for any more.</summary>
    public HashSet<ItemPath> Unwanted { get; } = [];

    /// <summary>For each input: the items, or all under a path, that this node waits for no more.</summary>
    public IReadOnlyList<HashSet<ItemPath>> Refused { get; } = [.. Enumerable.Range(0, inputs).Select(_ => new HashSet<ItemPath>())];

    /// <summary>Calls that could begin.</summary>
    public Queue<ItemPath> Ready { get; } = new();

    /// <summary>Calls begun so far, where one may spare others.</summary>
    public int Begun { get; set; }

    /// <summary>Calls under way; for a fold, items on their way.</summary>
    public int InFlight { get; set; }

    /// <summary>A fold's items on their way.</summary>
    public HashSet<(ItemPath Group, ItemPath Item)> OnTheirWay { get; } = [];

    public static bool Holds(HashSet<ItemPath> paths, ItemPath path)
    {
        for (int depth = 0; depth <= path.Depth && paths.Count > 0; depth++)
        {
            if (paths.Contains(path.Prefix(depth)))
                return true;
        }
        return false;
    }

    /// <summary>Whether an item will never be, or nobody waits for it.</summary>
    public bool IsGone(ItemPath path) => Holds(Dropped, path) || Holds(Unwanted, path);

    /// <summary>The items at or under a path, as they are now: they may be added to meanwhile.</summary>
    public IReadOnlyList<KeyValuePair<ItemPath, Item>> Under(ItemPath path) => [.. Items.Where(entry => entry.Key.IsWithin(path))];

    public Item Of(ItemPath path)
    {
        if (!Items.TryGetValue(path, out Item? item))
            Items[path] = item = new Item();
        return item;
    }
}
