using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Text;

namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>What each kind of node makes of what it hears of its inputs. State is looked at, not deltas, so that hearing twice changes nothing.</summary>
internal sealed class Inlets(PipelineGraph graph, RunFlow flow)
{
    private readonly Joins _joins = new(graph, flow);

    /// <summary>The input's item at <paramref name="path"/> has grown or is whole.</summary>
    public void Hear(Edge edge, ItemPath path)
    {
        GraphNode node = graph.Nodes[edge.Node];
        switch (node.Kind)
        {
            case NodeKind.Split:
                Cut(edge.Node, path);
                break;
            case NodeKind.Join:
                _joins.Hear(edge, path);
                break;
            case NodeKind.Fold:
                Deliver(edge.Node, path);
                break;
            case NodeKind.Filter:
                foreach (ItemPath at in At(edge, path))
                    Sift(edge.Node, at);
                break;
            default:
                foreach (ItemPath at in At(edge, path))
                    TryReady(edge.Node, at);
                StartNext(edge.Node);
                break;
        }
    }

    /// <summary>All items of the input under <paramref name="path"/> will never be.</summary>
    public void HearDrop(Edge edge, ItemPath path)
    {
        GraphNode node = graph.Nodes[edge.Node];
        if (node.Kind == NodeKind.Join)
            _joins.HearDrop(edge, path);
        else if (path.Depth <= node.Level.Count)
            flow.Drop(edge.Node, path);
    }

    /// <summary>The input's group, of this node's level, has no more items.</summary>
    public void HearClosed(Edge edge, ItemPath group)
    {
        GraphNode node = graph.Nodes[edge.Node];
        if (node.Kind == NodeKind.Join)
        {
            _joins.HearClosed(edge.Node, group);
            return;
        }
        NodeState state = flow.Nodes[edge.Node];
        if (node.Kind != NodeKind.Fold || state.IsGone(group) || state.Of(group) is { IsDecided: true } or { IsOver: true })
            return;
        Item item = state.Of(group);
        if (item.Given == 0 && !flow.IsSure(edge.Node, group))
            return; // Heard of again when it is.
        (item.IsDecided, item.IsRunning) = (true, true);
        flow.Do(new RunEffect.Close(new Work(edge.Node, group), item.Given));
    }

    /// <summary>Begins calls as far as places are free.</summary>
    public void StartNext(int node)
    {
        NodeState state = flow.Nodes[node];
        while (flow.End is null && state.InFlight < graph.Nodes[node].MaxInFlight && state.Ready.TryDequeue(out ItemPath path))
        {
            Item item = state.Of(path);
            if (item.IsOver)
                continue; // Abandoned while it waited.
            state.InFlight++;
            item.IsRunning = true;
            int before = flow.MaySpare(node) ? state.Begun++ : 0;
            flow.Do(new RunEffect.Start(new Work(node, path), [.. graph.Nodes[node].Inputs.Select(input => Input(input, path)!.Text.ToString())], before)); // Whole, or it were not ready.
        }
    }

    /// <summary>The node's items that a change of this input concerns.</summary>
    private IEnumerable<ItemPath> At(Edge edge, ItemPath path)
    {
        int depth = graph.Nodes[edge.Node].Level.Count;
        return path.Depth == depth
            ? [path]
            : flow.Nodes[graph.Deepest(edge.Node)].Under(path).Where(entry => entry.Key.Depth == depth).Select(entry => entry.Key);
    }

    private Item? Input(int node, ItemPath path) =>
        flow.IsHeard(node) && flow.Nodes[node].Items.TryGetValue(path.Prefix(graph.Nodes[node].Level.Count), out Item? item) ? item : null;

    private void TryReady(int node, ItemPath path)
    {
        NodeState state = flow.Nodes[node];
        if (state.Items.ContainsKey(path) || state.IsGone(path) || graph.Nodes[node].Inputs.Any(input => Input(input, path) is not { IsDone: true }))
            return;
        state.Of(path);
        state.Ready.Enqueue(path);
    }

    private void Deliver(int node, ItemPath path)
    {
        NodeState state = flow.Nodes[node];
        ItemPath group = path.Prefix(graph.Nodes[node].Level.Count);
        Item input = flow.Nodes[graph.Nodes[node].Inputs[0]].Of(path);
        if (!input.IsDone || input.IsMissing || state.IsGone(group) || state.Of(group).IsOver)
            return;
        Item item = state.Of(group);
        item.Given++;
        item.IsRunning = true;
        state.OnTheirWay.Add((group, path));
        flow.Do(new RunEffect.Deliver(new Work(node, group), path, input.Text.ToString()));
    }

    private void Sift(int node, ItemPath path)
    {
        GraphNode rule = graph.Nodes[node];
        NodeState state = flow.Nodes[node];
        if (state.IsGone(path) || state.Of(path).IsOver)
            return;
        Item item = state.Of(path);
        if (!item.IsDecided)
        {
            if (Input(rule.Inputs[^1], path) is not { } tested || rule.Filter!.Decide(tested.Text.ToString(), tested.IsDone) is not { } passes) // Filters have a rule.
                return;
            if (!passes)
            {
                flow.Drop(node, path);
                return;
            }
            item.IsDecided = true;
            if (rule.Inputs.Count > 1 && path.Depth == graph.Nodes[rule.Inputs[^1]].Level.Count)
                flow.Refuse(new Edge(node, rule.Inputs.Count - 1), path);
        }
        if (Input(rule.Inputs[0], path) is not { IsDone: true } value)
            return;
        item.Text.Add(0, value.Text.ToString());
        item.Text.EndHere();
        flow.Complete(node, path);
    }

    private void Cut(int node, ItemPath path)
    {
        GraphNode rule = graph.Nodes[node];
        NodeState state = flow.Nodes[node];
        if (state.IsGone(path) || state.Of(path).IsOver)
            return;
        Item cut = state.Of(path);
        Item input = flow.Nodes[rule.Inputs[0]].Of(path);
        ITextCutter cutter = cut.Cutter ??= rule.Cut!.NewCutter(); // Splits have a rule.
        string text = input.Text.From(cut.PassedOn);
        cut.PassedOn += text.Length;
        cut.IsOver = input.IsDone;
        foreach (string part in (IEnumerable<string>)[.. cutter.Add(text), .. input.IsDone ? cutter.End() : []])
        {
            if (flow.End is not null || state.IsGone(path))
                return;
            if (cut.Parts == rule.MaxItems)
            {
                flow.Finish(rule.Stage, $"it cuts one text into more than {rule.MaxItems} parts");
                return;
            }
            ItemPath child = path.Child(cut.Parts++);
            if (state.IsGone(child))
                continue;
            Item item = state.Of(child);
            item.Text.Add(0, part);
            item.Text.EndHere();
            flow.Complete(node, child);
        }
        if (input.IsDone && !state.IsGone(path))
            flow.Announce(node, path, cut.Parts);
    }
}
