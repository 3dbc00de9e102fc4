using System.Text;
using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

/// <summary>
/// Does a run's work in the worst way: pieces arrive out of order and twice, replicas die in the middle and others begin again, some stages are far
/// slower than others, and what is cancelled goes on for a while.
/// </summary>
internal sealed class UnrulyWorld
{
    private readonly PipelineGraph _graph;
    private readonly PipelineRun _run;
    private readonly Random _random;
    private readonly bool _obeysHolds;
    private readonly HashSet<int> _slow;
    private readonly List<RunEvent> _under = [];
    private readonly Dictionary<Work, SortedList<string, string>> _groups = [];
    private readonly StringBuilder _answer = new();

    public UnrulyWorld(PipelineGraph graph, Random random, bool isBarrier)
    {
        (_graph, _random, _run) = (graph, random, new PipelineRun(graph, isBarrier));
        _obeysHolds = random.Next(2) == 0;
        _slow = [.. Enumerable.Range(0, graph.Nodes.Count).Where(_ => random.Next(3) == 0)];
    }

    public Dictionary<RunEffect, int> Asked { get; } = [];

    public int Cancelled { get; private set; }

    public RunEnd? End => _run.End;

    /// <summary>Runs to the end.</summary>
    /// <exception cref="InvalidOperationException">Nothing is under way and the run has not ended: a group was lost.</exception>
    public string Answer(string request)
    {
        Carry(_run.Begin(request));
        while (_run.End is null)
            Carry(_run.Feed(Next()));
        foreach (RunEvent late in _under.ToList())
            Carry(_run.Feed(late));
        return _answer.ToString();
    }

    private RunEvent Next()
    {
        List<RunEvent> free = _obeysHolds ? [.. _under.Where(news => news is RunEvent.Taken || !_run.IsHeld(news.Work.Node))] : _under;
        if (free.Count == 0)
            throw new InvalidOperationException($"stuck with {_under.Count} events held back");
        RunEvent next = free[_random.Next(free.Count)];
        for (int tries = 0; tries < 8 && _slow.Contains(next.Work.Node); tries++)
            next = free[_random.Next(free.Count)];
        if (_random.Next(10) > 0)
            _under.Remove(next); // Else it comes again.
        return next;
    }

    private void Carry(IReadOnlyList<RunEffect> effects)
    {
        foreach (RunEffect effect in effects)
        {
            switch (effect)
            {
                case RunEffect.Start start:
                    Count(start with { Inputs = [], Before = 0 });
                    Stream(start.Work, SequentialReference.Emulate(start.Work.Node, start.Inputs));
                    break;
                case RunEffect.Deliver deliver:
                    Count(deliver);
                    Group(deliver.Work)[InOrder(deliver.Item)] = deliver.Text;
                    _under.Add(new RunEvent.Taken(deliver.Work, deliver.Item));
                    break;
                case RunEffect.Close close:
                    Count(close);
                    Assert.Equal(close.Items, Group(close.Work).Count);
                    Stream(close.Work, SequentialReference.Emulate(close.Work.Node, Group(close.Work).Values));
                    break;
                case RunEffect.Cancel:
                    Cancelled++;
                    break;
                case RunEffect.Output output:
                    _answer.Append(output.Text);
                    break;
            }
        }
    }

    private void Stream(Work work, string text)
    {
        bool dies = _random.Next(4) == 0;
        if (dies)
            _under.AddRange(Pieces(work, text).Take(_random.Next(4)));
        _under.AddRange(Pieces(work, text));
        _under.Add(new RunEvent.Ended(work, text.Length));
    }

    private List<RunEvent> Pieces(Work work, string text)
    {
        var pieces = new List<RunEvent>();
        for (int at = 0; at < text.Length;)
        {
            int length = Math.Min(_random.Next(1, 6), text.Length - at);
            pieces.Add(new RunEvent.Piece(work, at, text.Substring(at, length)));
            at += length;
        }
        return pieces;
    }

    private SortedList<string, string> Group(Work work)
    {
        if (!_groups.TryGetValue(work, out SortedList<string, string>? group))
            _groups[work] = group = new SortedList<string, string>(StringComparer.Ordinal);
        return group;
    }

    private static string InOrder(ItemPath path) => string.Join('.', path.ToString().Split('.').Select(index => index.PadLeft(4, '0')));

    private void Count(RunEffect effect) => Asked[effect] = Asked.GetValueOrDefault(effect) + 1;
}
