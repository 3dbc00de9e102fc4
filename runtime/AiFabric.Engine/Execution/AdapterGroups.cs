using System.Runtime.InteropServices;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// Which rows of the packed batch get which adapter. Rows of one adapter are computed together; adjacent ones as a view, others gathered
/// and scattered.
/// </summary>
/// <param name="device">Where the batch is computed.</param>
internal sealed class AdapterGroups(Device device)
{
    private readonly List<Group> groups = [];

    /// <summary>Adds rows in ascending order, any number of times per adapter.</summary>
    /// <param name="adapter">Whose rows they are.</param>
    /// <param name="start">First row.</param>
    /// <param name="count">Rows.</param>
    /// <param name="window">The training window that they are, or null.</param>
    public void Add(PeftAdapter adapter, int start, int count, TrainingWindow? window = null)
    {
        var group = groups.Find(candidate => ReferenceEquals(candidate.Adapter, adapter));
        if (group is null)
            groups.Add(group = new Group(adapter, start, window));
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

    /// <summary>x·Wᵀ and the bias for all rows, and what each adapter makes of them for its own.</summary>
    /// <param name="layer">Layer of the matrix.</param>
    /// <param name="target">Which matrix of the layer.</param>
    /// <param name="x">[n, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <returns>[n, out], owned by the caller's scope.</returns>
    public Tensor Linear(int layer, LoraTarget target, Tensor x, Tensor weight, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var y = nn.functional.linear(ScaledInput(layer, target, x), weight, bias);
        foreach (var group in groups)
        {
            if (group.Adapter[layer, target] is { } patch)
                group.Put(y, Patch(patch, group.Of(x), group.Of(y), group.Window?.InputMask(layer, target, x.dtype, device)));
        }
        return y.MoveToOuterDisposeScope();
    }

    private Tensor ScaledInput(int layer, LoraTarget target, Tensor x)
    {
        Tensor? scaled = null;
        foreach (var group in groups)
        {
            if (group.Adapter[layer, target]?.InputScale is not { } scale)
                continue;
            scaled ??= x.clone(); // x is other layers' input too
            group.Put(scaled, group.Of(scaled).mul_(scale));
        }
        return scaled ?? x;
    }

    // In place: y is a view of the batch's rows, or a copy of them.
    private static Tensor Patch(LinearPatch patch, Tensor x, Tensor y, Tensor? mask)
    {
        if (patch.LowRank(x, mask) is { } addition)
            y.add_(addition.to(y.dtype));
        if (patch.OutputScale is not null)
            y.mul_(patch.OutputScale);
        if (patch.Shift is not null)
            y.add_(patch.Shift);
        return y;
    }

    private sealed class Group(PeftAdapter adapter, int start, TrainingWindow? window)
    {
        public PeftAdapter Adapter { get; } = adapter;

        public TrainingWindow? Window { get; } = window;

        public List<long> Rows { get; } = [];

        public Tensor? Index { get; set; }

        public bool IsContiguous => Rows[^1] - Rows[0] == Rows.Count - 1;

        /// <summary>The group's rows of a batch's.</summary>
        public Tensor Of(Tensor rows) => Index is null ? rows.narrow(0, start, Rows.Count) : rows.index_select(0, Index);

        /// <summary>Writes the group's rows back, where <see cref="Of"/> did not give a view of them.</summary>
        public void Put(Tensor rows, Tensor own)
        {
            if (Index is not null)
                rows.index_copy_(0, Index, own);
        }
    }
}
