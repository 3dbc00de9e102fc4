using System.Runtime.InteropServices;
using AiFabric.Engine.Adapters;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// Which rows of the packed batch get which adapter's additions. Rows of one adapter are computed together; adjacent ones as a view,
/// others gathered and scattered.
/// </summary>
/// <param name="device">Where the batch is computed.</param>
internal sealed class LoraRows(Device device)
{
    private readonly List<Group> groups = [];

    /// <summary>Adds rows in ascending order, any number of times per adapter.</summary>
    public void Add(LoraAdapter adapter, int start, int count)
    {
        var group = groups.Find(candidate => ReferenceEquals(candidate.Adapter, adapter));
        if (group is null)
            groups.Add(group = new Group(adapter, start));
        for (int row = start; row < start + count; row++)
            group.Rows.Add(row);
    }

    /// <summary>Makes the index tensors, inside the iteration's scope. Call once, after the last row.</summary>
    public void Seal()
    {
        foreach (var group in groups)
        {
            if (!group.IsContiguous)
                group.Index = HostTensors.Upload(CollectionsMarshal.AsSpan(group.Rows), device);
        }
    }

    /// <summary>x·Wᵀ and the bias for all rows, plus each adapter's addition for its rows.</summary>
    /// <param name="layer">Layer of the matrix.</param>
    /// <param name="target">Which matrix of the layer.</param>
    /// <param name="x">[n, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <returns>[n, out], owned by the caller's scope.</returns>
    public Tensor Linear(int layer, LoraTarget target, Tensor x, Tensor weight, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var y = nn.functional.linear(x, weight, bias);
        foreach (var group in groups)
        {
            if (group.Adapter[layer, target] is not { } pair)
                continue;
            var rows = group.Index is null ? x.narrow(0, group.Start, group.Rows.Count) : x.index_select(0, group.Index);
            // An adapter in training may keep wider master weights than the base model.
            var addition = nn.functional.linear(nn.functional.linear(rows.to(pair.A.dtype), pair.A), pair.B).mul_(group.Adapter.Scale).to(y.dtype);
            if (group.Index is null)
                y.narrow(0, group.Start, group.Rows.Count).add_(addition);
            else
                y.index_add_(0, group.Index, addition, 1);
        }
        return y.MoveToOuterDisposeScope();
    }

    private sealed class Group(LoraAdapter adapter, int start)
    {
        public LoraAdapter Adapter { get; } = adapter;

        public int Start { get; } = start;

        public List<long> Rows { get; } = [];

        public Tensor? Index { get; set; }

        public bool IsContiguous => Rows[^1] - Rows[0] == Rows.Count - 1;
    }
}
