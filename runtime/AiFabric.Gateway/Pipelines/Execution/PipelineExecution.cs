using System.Runtime.CompilerServices;
using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>
/// Carries out one <see cref="PipelineRun"/>: (1) its effects become calls, each a task of its own; (2) what they bring goes back as events; (3) a call
/// whose pieces nobody has room for stops reading, so that its worker stops decoding; (4) when the run ends or its reader leaves, all calls end.
/// </summary>
internal sealed class PipelineExecution : IDisposable
{
    /// <summary>Pieces of the answer that wait for the client before what makes them pauses.</summary>
    private const int MaxOutputs = 64;

    private readonly PipelineRunner _outside;
    private readonly ServedPipeline _pipeline;
    private readonly RunContext _context;
    private readonly bool _withStages;
    private readonly int _depth;
    private readonly PipelineRun _run;
    private readonly Lock _lock = new();
    private readonly Queue<RunOutput> _outputs = new();
    private readonly Dictionary<Work, StageCall> _calls = [];
    private readonly Dictionary<Work, GroupSession> _groups = [];
    private readonly CancellationTokenSource _over = new();
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public PipelineExecution(PipelineRunner outside, ServedPipeline pipeline, RunContext context, bool withStages, int depth)
    {
        (_outside, _pipeline, _context, _withStages, _depth) = (outside, pipeline, context, withStages, depth);
        _run = new PipelineRun(pipeline.Compiled.Graph, pipeline.Compiled.Spec.Execution == Crds.Pipelines.PipelineExecution.Barrier);
    }

    /// <summary>The run's span, which the calls' spans are parts of.</summary>
    public System.Diagnostics.ActivityContext Trace { get; private set; }

    private IReadOnlyList<Graph.GraphNode> Nodes => _pipeline.Compiled.Graph.Nodes;

    public async IAsyncEnumerable<RunOutput> RunAsync(string request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        TimeSpan limit = TimeSpan.FromSeconds(_pipeline.Compiled.Spec.TimeoutSeconds ?? 600);
        await using ITimer deadline = _outside.Time.CreateTimer(_ => TimeOut(limit), null, limit, Timeout.InfiniteTimeSpan);
        using System.Diagnostics.Activity? span = PipelineTraces.Begin(_pipeline.Key, _context.Id);
        Trace = span?.Context ?? default;
        try
        {
            lock (_lock)
                Apply(_run.Begin(request));
            while (true)
            {
                RunOutput? next;
                Task news;
                lock (_lock)
                {
                    if (_outputs.TryDequeue(out next))
                        Tell(); // There is room.
                    news = _news.Task;
                }
                if (next is null)
                {
                    await news.WaitAsync(cancellationToken);
                    continue;
                }
                yield return next;
                if (next is RunOutput.Ended)
                    yield break;
            }
        }
        finally
        {
            lock (_lock)
                Apply(_run.Stop(PipelineShape.Request, "its reader left")); // Nothing begins any more.
            await _over.CancelAsync();
            await Task.WhenAll(Running());
            Dispose();
        }
    }

    public void Dispose() => _over.Dispose();

    /// <summary>Takes in what a call brought.</summary>
    public void Feed(RunEvent news)
    {
        lock (_lock)
        {
            Apply(_run.Feed(news));
            Tell();
        }
    }

    /// <summary>Returns when there is room for more of what the node makes; tells the clock of a pause.</summary>
    public async Task WaitForRoomAsync(int node, StageClock clock, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task news;
            lock (_lock)
            {
                if (!_run.IsHeld(node) && _outputs.Count < MaxOutputs)
                    return;
                news = _news.Task;
            }
            clock.Pause();
            await news.WaitAsync(cancellationToken);
            clock.Resume();
        }
    }

    /// <summary>Forgets a call that has ended.</summary>
    public void Forget(Work work)
    {
        lock (_lock)
            _calls.Remove(work);
    }

    private void Apply(IReadOnlyList<RunEffect> effects)
    {
        foreach (RunEffect effect in effects)
        {
            switch (effect)
            {
                case RunEffect.Start start:
                    // As if the calls that may spare it were made before it, one after the other: while others wait too, nobody works on what an answer may make needless.
                    RunContext turn = _context.Later(start.Before * _pipeline.Paces[Nodes[start.Work.Node].Stage].Mean);
                    Launch(start.Work, turn, (call, token) => call.AskAsync(start.Inputs, token));
                    break;
                case RunEffect.Deliver deliver:
                    Group(deliver.Work).Add(deliver.Item, deliver.Text);
                    break;
                case RunEffect.Close close:
                    Group(close.Work).Close(close.Items);
                    break;
                case RunEffect.Cancel cancel when _calls.TryGetValue(cancel.Work, out StageCall? call):
                    call.Cancel();
                    break;
                case RunEffect.Made made when _withStages && _pipeline.Compiled.StageOf(made.Work.Node) is { } stage:
                    _outputs.Enqueue(new RunOutput.Stage(stage.Name, made.Work.Path.ToString(), made.Text.ToString()));
                    break;
                case RunEffect.Output output:
                    _outputs.Enqueue(new RunOutput.Piece(output.Text));
                    break;
                case RunEffect.Finished finished:
                    _outputs.Enqueue(new RunOutput.Ended(finished.End));
                    break;
            }
        }
        Tell();
    }

    private GroupSession Group(Work work)
    {
        if (_groups.TryGetValue(work, out GroupSession? session))
            return session;
        StageSpec stage = _pipeline.Compiled.StageOf(work.Node)!; // Only stages of functions fold.
        var request = new StageRequest { Pipeline = _pipeline.Key.Name, Stage = stage.Name, Run = _context.Id, Group = work.Path.ToString() };
        _groups[work] = session = new GroupSession(
            request, stage.FunctionRef!, _context, PipelineShape.InputsOf(stage)[0].From, () => _outside.ReplicasOf(_pipeline.Key, stage.Name), _outside.Functions, _outside.Attempts);
        Launch(work, _context, (call, token) => call.FoldAsync(session, token));
        return session;
    }

    private void Launch(Work work, RunContext turn, Func<StageCall, CancellationToken, Task> body)
    {
        var call = new StageCall(this, _outside, _pipeline, turn, work, _pipeline.Compiled.StageOf(work.Node)!, _depth); // Only stages are called.
        _calls[work] = call;
        call.Start(body, _over.Token);
    }

    private IReadOnlyList<Task> Running()
    {
        lock (_lock)
            return [.. _calls.Values.Select(call => call.Ended)];
    }

    private void TimeOut(TimeSpan limit)
    {
        lock (_lock)
        {
            string[] running = [.. _calls.Keys.Select(work => Nodes[work.Node].Stage).Distinct().Order(StringComparer.Ordinal)];
            Apply(_run.Stop(running.FirstOrDefault(PipelineShape.Request), $"the pipeline's {limit.TotalSeconds} s are over; still at work: {string.Join(", ", running)}"));
        }
    }

    private void Tell()
    {
        TaskCompletionSource told = _news;
        _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        told.SetResult();
    }
}
