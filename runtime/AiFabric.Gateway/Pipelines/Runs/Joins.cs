using AiFabric.Gateway.Pipelines.Graph;

namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>Joins: a node with one input takes the members of a group of it; one with several takes one member of each input.</summary>
internal sealed class Joins(PipelineGraph graph, RunFlow flow)
{
    public void Hear(Edge edge, ItemPath path)
    {
        bool gathers = Gathers(edge.Node);
        Pump(edge.Node, gathers ? path.Parent() : path, gathers ? path[path.Depth - 1] : edge.Slot);
    }

    public void HearClosed(int join, ItemPath group)
    {
        if (Gathers(join))
            Pump(join, group, null);
    }

    public void HearDrop(Edge edge, ItemPath path)
    {
        GraphNode node = graph.Nodes[edge.Node];
        if (Gathers(edge.Node))
        {
            if (path.Depth <= node.Level.Count)
                flow.Drop(edge.Node, path);
            else
                Pump(edge.Node, path.Parent(), null);
            return;
        }
        if (node.Inputs.All(input => NodeState.Holds(flow.Nodes[input].Dropped, path)))
        {
            flow.Drop(edge.Node, path);
            return;
        }
        // Members of other inputs may have waited for this one's turn.
        foreach (ItemPath at in node.Inputs.SelectMany(input => flow.Nodes[input].Under(path)).Select(entry => entry.Key).Distinct().ToList())
        {
            if (at.Depth == node.Level.Count)
                Pump(edge.Node, at, null);
        }
    }

    private bool Gathers(int join) => graph.Gathers(join);

    private void Pump(int join, ItemPath path, int? changed)
    {
        NodeState state = flow.Nodes[join];
        if (flow.End is not null || state.IsGone(path) || state.Of(path).IsOver)
            return;
        Item item = state.Of(path);
        JoinRule rule = graph.Nodes[join].Join!; // Joins have a rule.
        int? members = Members(join, path);
        if (rule.Ordered)
            PumpInOrder(join, path, item, rule, members);
        else if (changed is { } member && Member(join, path, member) is { Item: { IsDone: true, IsMissing: false } whole } && item.Taken.Add(member))
            Pass(join, path, item, (item.Taken.Count > 1 ? rule.Separator : "") + whole.Text);
        if (flow.End is not null || item.IsOver)
            return;
        bool enough = item.Taken.Count >= rule.Take;
        if (!enough && !IsOut(join, path, item, rule, members))
            return;
        item.Text.EndHere();
        item.IsOver = true; // Before refusing, which may lead back here.
        for (int slot = 0; slot < graph.Nodes[join].Inputs.Count; slot++)
            flow.Refuse(new Edge(join, slot), path);
        flow.Complete(join, path);
    }

    private void PumpInOrder(int join, ItemPath path, Item item, JoinRule rule, int? members)
    {
        while (flow.End is null && !item.IsOver && item.Taken.Count < rule.Take && (members is null || item.Turn < members))
        {
            (Item? member, bool isGone) = Member(join, path, item.Turn);
            if (!isGone && member is null)
                return;
            if (!isGone && member is { IsMissing: false })
            {
                string text = member.Text.From(item.PassedOn);
                if (item.PassedOn == 0 && item.Taken.Count > 0 && (text.Length > 0 || member.IsDone))
                    Pass(join, path, item, rule.Separator);
                item.PassedOn += text.Length;
                Pass(join, path, item, text);
                if (!member.IsDone)
                    return;
                item.Taken.Add(item.Turn);
            }
            item.Turn++;
            item.PassedOn = 0;
        }
    }

    /// <summary>Whether no member is left that could come.</summary>
    private bool IsOut(int join, ItemPath path, Item item, JoinRule rule, int? members)
    {
        if (members is not { } count || (item.Taken.Count == 0 && !flow.IsSure(join, path)))
            return false;
        if (rule.Ordered)
            return item.Turn >= count;
        return Enumerable.Range(0, count).All(index =>
            item.Taken.Contains(index) || Member(join, path, index) is { IsGone: true } or { Item: { IsDone: true, IsMissing: true } });
    }

    private int? Members(int join, ItemPath path)
    {
        IReadOnlyList<int> inputs = graph.Nodes[join].Inputs;
        return !Gathers(join) ? inputs.Count : flow.IsHeard(inputs[0]) ? flow.Nodes[inputs[0]].Tree.Expected(path) : null;
    }

    private (Item? Item, bool IsGone) Member(int join, ItemPath path, int index)
    {
        bool gathers = Gathers(join);
        int node = graph.Nodes[join].Inputs[gathers ? 0 : index];
        ItemPath at = gathers ? path.Child(index) : path;
        NodeState state = flow.Nodes[node];
        if (NodeState.Holds(state.Dropped, at))
            return (null, true);
        return (flow.IsHeard(node) && state.Items.TryGetValue(at, out Item? item) ? item : null, false);
    }

    private void Pass(int join, ItemPath path, Item item, string text)
    {
        if (text.Length == 0 || flow.End is not null)
            return;
        if (item.Text.Add(item.Text.Length, text).Problem is { } problem)
            flow.Finish(graph.Nodes[join].Stage, problem);
        else
            flow.Grew(join, path, text);
    }
}
