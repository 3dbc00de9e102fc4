using AiFabric.Gateway.Pipelines.Graph;

namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>
/// One request on its way through a pipeline: told what became of the work, it says what to do next. No clock, no I/O, no thread: events may come
/// in any order and more than once, and the answer is that of the stages run one after the other.
/// </summary>
/// <remarks>
/// (1) A call begins when its inputs are whole; texts flow through splits, filters and joins as they come. (2) Each split says how many parts it
/// made, and groups close by counting (<see cref="GroupTree"/>). (3) A filter that drops an item, and a join that has enough, refuse what else comes
/// their way; what everybody refuses is cancelled (<see cref="RunFlow.Refuse"/>). Source: ALTO (arXiv 2403.04311), nested ancestry.
/// </remarks>
/// <param name="graph">The pipeline.</param>
/// <param name="isBarrier">Every node waits until those before it are done with all items, as without streaming.</param>
public sealed class PipelineRun(PipelineGraph graph, bool isBarrier = false)
{
    private readonly RunFlow _flow = new(graph, isBarrier);

    /// <summary>How it ended; null while it goes on.</summary>
    public RunEnd? End => _flow.End;

    /// <summary>Begins with the request's text.</summary>
    public IReadOnlyList<RunEffect> Begin(string request)
    {
        Item source = _flow.Nodes[0].Of(ItemPath.Root);
        if (source.Text.Add(0, request).Problem is { } problem)
            return Stop(graph.Nodes[0].Stage, problem);
        source.Text.EndHere();
        _flow.Complete(0, ItemPath.Root);
        return _flow.Take();
    }

    /// <summary>Takes in what happened. Nothing that comes after the run's end, or for work that is over, changes anything.</summary>
    public IReadOnlyList<RunEffect> Feed(RunEvent news)
    {
        (int node, ItemPath path) = news.Work;
        NodeState state = _flow.Nodes[node];
        if (news is RunEvent.Taken taken)
            state.OnTheirWay.Remove((path, taken.Item));
        else if (End is null && state.Items.TryGetValue(path, out Item? item) && item is { IsRunning: true, IsOver: false })
            Answered(news, item);
        return _flow.Take();
    }

    /// <summary>Ends the run early: its client left or its time is over.</summary>
    public IReadOnlyList<RunEffect> Stop(string stage, string reason)
    {
        _flow.Finish(stage, reason);
        return _flow.Take();
    }

    /// <summary>Whether whoever does this node's work should pause: what it makes already waits in full queues.</summary>
    public bool IsHeld(int node)
    {
        foreach (int next in graph.Feeds(node))
        {
            NodeState state = _flow.Nodes[next];
            if (state.Ready.Count + state.OnTheirWay.Count >= graph.Nodes[next].MaxInFlight)
                return true;
        }
        return false;
    }

    private void Answered(RunEvent news, Item item)
    {
        (int node, ItemPath path) = news.Work;
        switch (news)
        {
            case RunEvent.Piece piece:
                (string text, string? problem) = item.Text.Add(piece.Offset, piece.Text);
                if (problem is not null)
                    Fail(news.Work, item, problem);
                else if (text.Length > 0 && !item.Text.IsWhole)
                    _flow.Grew(node, path, text);
                break;
            case RunEvent.Ended ended:
                item.Text.EndAt(ended.Length);
                if (item.Text.Length > item.Text.End)
                    Fail(news.Work, item, "a second answer is shorter than what was passed on of the first");
                break;
            case RunEvent.Failed failed:
                Fail(news.Work, item, failed.Reason);
                break;
        }
        if (item is { IsOver: false, Text.IsWhole: true })
            _flow.Complete(node, path);
    }

    private void Fail(Work work, Item item, string reason)
    {
        _flow.Cancel(work, item);
        GraphNode node = graph.Nodes[work.Node];
        if (!node.IsSoft)
        {
            _flow.Finish(node.Stage, reason);
            return;
        }
        _flow.Partial.Add(node.Stage);
        item.Text.EndHere();
        item.IsMissing = item.Text.Length == 0;
        _flow.Complete(work.Node, work.Path);
    }
}
