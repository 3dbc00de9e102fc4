using AiFabric.Gateway.Pipelines.Graph;

namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>How texts, ends, drops and refusals spread through the graph of one run. Collects what is to be done about it.</summary>
internal sealed class RunFlow
{
    private readonly PipelineGraph _graph;
    private readonly bool _isBarrier;
    private readonly Inlets _inlets;
    private List<RunEffect> _effects = [];

    /// <summary>How much of the answer was given.</summary>
    private int _given;

    public RunFlow(PipelineGraph graph, bool isBarrier)
    {
        (_graph, _isBarrier) = (graph, isBarrier);
        Nodes = [.. graph.Nodes.Select(node => new NodeState(node.Inputs.Count))];
        _inlets = new Inlets(graph, this);
    }

    public IReadOnlyList<NodeState> Nodes { get; }

    /// <summary>Whether an item's answer may spare calls for other items of the node. Behind a barrier nothing is heard of before all are done.</summary>
    public bool MaySpare(int node) => !_isBarrier && _graph.MaySpare(node);

    public RunEnd? End { get; private set; }

    /// <summary>Soft stages that failed.</summary>
    public SortedSet<string> Partial { get; } = new(StringComparer.Ordinal);

    public void Do(RunEffect effect) => _effects.Add(effect);

    /// <summary>What is to be done, once.</summary>
    public IReadOnlyList<RunEffect> Take()
    {
        List<RunEffect> effects = _effects;
        _effects = [];
        return effects;
    }

    /// <summary>Whether consumers may hear of the node's items already.</summary>
    public bool IsHeard(int node) => !_isBarrier || Nodes[node].Tree.IsClosed(ItemPath.Root);

    /// <summary>An item's text has grown.</summary>
    public void Grew(int node, ItemPath path, string text)
    {
        if (End is not null)
            return;
        if (node == _graph.Output && !_isBarrier)
        {
            _given += text.Length;
            Do(new RunEffect.Output(text));
        }
        if (IsHeard(node))
            Tell(node, path);
    }

    /// <summary>An item's text is whole.</summary>
    public void Complete(int node, ItemPath path)
    {
        NodeState state = Nodes[node];
        Item item = state.Of(path);
        item.IsOver = true;
        if (item.IsRunning && _graph.Nodes[node].Kind == NodeKind.Call)
            state.InFlight--;
        item.IsRunning = false;
        Do(new RunEffect.Made(new Work(node, path), item.Text));
        if (node == _graph.Output)
        {
            string rest = item.Text.From(_given);
            if (rest.Length > 0)
                Do(new RunEffect.Output(rest));
            Finish(null, null);
            return;
        }
        if (!_isBarrier)
            Tell(node, path);
        Close(node, state.Tree.Settle(path));
        OpenGate(node, path);
        _inlets.StartNext(node);
    }

    /// <summary>An item, or all under a path, will never be.</summary>
    public void Drop(int node, ItemPath path)
    {
        NodeState state = Nodes[node];
        if (End is not null || NodeState.Holds(state.Dropped, path))
            return;
        state.Dropped.Add(path);
        RefuseInputs(node, path);
        if (node == _graph.Output)
        {
            Finish(null, null);
            return;
        }
        foreach (Edge edge in _graph.Consumers(node))
            _inlets.HearDrop(edge, path);
        Close(node, state.Tree.Settle(path));
        OpenGate(node, path);
    }

    /// <summary>Whether all that could still drop this group of a gathering node is settled.</summary>
    public bool IsSure(int node, ItemPath group)
    {
        foreach (int gate in _graph.Gates(node))
        {
            ItemPath at = group.Prefix(_graph.Nodes[gate].Level.Count);
            if (!Nodes[gate].IsGone(at) && !(Nodes[gate].Items.TryGetValue(at, out Item? item) && item.IsDone))
                return false;
        }
        return true;
    }

    /// <summary>A split's text ended: all nodes behind it learn how many members the group has.</summary>
    public void Announce(int split, ItemPath path, int parts)
    {
        for (int node = split; node < Nodes.Count && End is null; node++)
        {
            IReadOnlyList<int> level = _graph.Nodes[node].Level;
            if (level.Count > path.Depth && level[path.Depth] == split)
                Close(node, Nodes[node].Tree.Expect(path, parts));
        }
    }

    /// <summary>A consumer waits no more for an item, or for all under a path. When no consumer does, it is cancelled, and so are those it alone waited for.</summary>
    public void Refuse(Edge edge, ItemPath path)
    {
        HashSet<ItemPath> refused = Nodes[edge.Node].Refused[edge.Slot];
        if (NodeState.Holds(refused, path))
            return;
        refused.Add(path);
        int from = _graph.Nodes[edge.Node].Inputs[edge.Slot];
        if (from != _graph.Output && _graph.Consumers(from).All(other => NodeState.Holds(Nodes[other.Node].Refused[other.Slot], path)))
            Abandon(from, path);
    }

    public void Cancel(Work work, Item item)
    {
        if (item.IsRunning && !item.IsOver)
        {
            Do(new RunEffect.Cancel(work));
            if (_graph.Nodes[work.Node].Kind == NodeKind.Call)
                Nodes[work.Node].InFlight--;
        }
        item.IsRunning = false;
    }

    /// <summary>Ends the run; all that still runs is cancelled.</summary>
    /// <param name="failedStage">Null when the answer is complete.</param>
    /// <param name="reason">Why the stage failed.</param>
    public void Finish(string? failedStage, string? reason)
    {
        if (End is not null)
            return;
        End = new RunEnd(failedStage, reason, [.. Partial]);
        for (int node = 0; node < Nodes.Count; node++)
        {
            foreach ((ItemPath path, Item item) in Nodes[node].Items)
                Cancel(new Work(node, path), item);
            Nodes[node].Ready.Clear();
        }
        Do(new RunEffect.Finished(End));
    }

    private void Abandon(int node, ItemPath path)
    {
        NodeState state = Nodes[node];
        if (NodeState.Holds(state.Unwanted, path))
            return;
        state.Unwanted.Add(path);
        foreach ((ItemPath at, Item item) in state.Under(path))
        {
            Cancel(new Work(node, at), item);
            item.IsOver = true;
            state.OnTheirWay.RemoveWhere(entry => entry.Group == at);
        }
        RefuseInputs(node, path);
        Close(node, state.Tree.Settle(path));
        _inlets.StartNext(node);
    }

    private void RefuseInputs(int node, ItemPath path)
    {
        IReadOnlyList<int> inputs = _graph.Nodes[node].Inputs;
        for (int slot = 0; slot < inputs.Count; slot++)
        {
            // A part that nobody wants says nothing of the whole that it was cut from.
            if (path.Depth <= _graph.Nodes[inputs[slot]].Level.Count)
                Refuse(new Edge(node, slot), path);
        }
    }

    private void Close(int node, IReadOnlyList<ItemPath> groups)
    {
        foreach (ItemPath group in groups)
        {
            if (End is not null)
                return;
            if (!_isBarrier)
                TellClosed(node, group);
            else if (group.Depth == 0)
                TellAll(node);
        }
    }

    private void OpenGate(int gate, ItemPath path)
    {
        foreach (int node in _graph.GatedBy(gate))
        {
            foreach ((ItemPath group, Item item) in Nodes[node].Under(path))
            {
                if (End is null && !item.IsOver && Nodes[_graph.Nodes[node].Inputs[0]].Tree.IsClosed(group) && IsHeard(_graph.Nodes[node].Inputs[0]))
                    _inlets.HearClosed(new Edge(node, 0), group);
            }
        }
    }

    private void Tell(int node, ItemPath path)
    {
        foreach (Edge edge in _graph.Consumers(node))
        {
            if (End is null)
                _inlets.Hear(edge, path);
        }
    }

    private void TellClosed(int node, ItemPath group)
    {
        foreach (Edge edge in _graph.Consumers(node))
        {
            if (End is null && _graph.Nodes[edge.Node].Level.Count == group.Depth)
                _inlets.HearClosed(edge, group);
        }
    }

    /// <summary>Behind a barrier all is told at once.</summary>
    private void TellAll(int node)
    {
        int depth = _graph.Nodes[node].Level.Count;
        foreach ((ItemPath path, Item item) in Nodes[node].Under(ItemPath.Root))
        {
            if (path.Depth == depth && item.IsDone)
                Tell(node, path);
        }
        for (int level = depth; level >= 0; level--)
        {
            foreach (ItemPath group in Nodes[node].Tree.ClosedAt(level))
                TellClosed(node, group);
        }
    }
}
