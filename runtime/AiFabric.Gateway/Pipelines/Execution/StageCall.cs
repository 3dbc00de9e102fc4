using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>The work of one stage for one item, or for one group: a model, a function or another pipeline is asked, again when a replica is lost.</summary>
internal sealed class StageCall(
    PipelineExecution execution, PipelineRunner outside, ServedPipeline pipeline, RunContext context, Work work, StageSpec stage, int depth) : IDisposable
{
    private readonly CancellationTokenSource _cancelled = new();
    private readonly StageClock _clock = new(TimeSpan.FromSeconds(stage.TimeoutSeconds ?? 120), outside.Time);

    /// <summary>Completes when nothing of the call is left. Never fails.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    public void Start(Func<StageCall, CancellationToken, Task> body, CancellationToken over) => Ended = Task.Run(() => WorkAsync(body, over), CancellationToken.None);

    /// <summary>Nobody waits for it any more. Does not wait, so that it may be called under a lock.</summary>
    public void Cancel() => _ = CancelAsync();

    /// <summary>Asks for one item.</summary>
    public async Task AskAsync(IReadOnlyList<string> inputs, CancellationToken cancellationToken)
    {
        var tries = new CallTries();
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await AnswerAsync(PiecesAsync(inputs, tries, attempt, cancellationToken), cancellationToken);
                return;
            }
            catch (CallException e) when (e.MayRetry && attempt < outside.Attempts)
            {
                // What was passed on already is compared with what the next replica says, and not passed on twice.
                Log.StageRetried(outside.Logger, pipeline.Key.Name, stage.Name, attempt, e);
            }
        }
    }

    /// <summary>Does a group.</summary>
    public Task FoldAsync(GroupSession session, CancellationToken cancellationToken) => session.RunAsync(
        item => execution.Feed(new RunEvent.Taken(work, item)), answer => AnswerAsync(answer, cancellationToken), _clock, cancellationToken);

    public void Dispose()
    {
        _clock.Dispose();
        _cancelled.Dispose();
    }

    private IAsyncEnumerable<string> PiecesAsync(IReadOnlyList<string> inputs, CallTries tries, int attempt, CancellationToken cancellationToken)
    {
        if (stage.ModelRef is not null)
            return outside.Models.AskAsync(pipeline.Key.Namespace, stage, inputs, context, tries, cancellationToken);
        if (stage.PipelineRef is { } other)
            return NestedAsync(other.Name, string.Join('\n', inputs), cancellationToken);
        IReadOnlyList<FunctionReplica> replicas = outside.ReplicasOf(pipeline.Key, stage.Name);
        FunctionSpec function = stage.FunctionRef!; // Nothing else is called.
        FunctionReplica replica = outside.Functions.Choose(function, replicas, $"{context.Id}/{work.Path}", tries.Failed)
            ?? throw new CallException("the function has no ready replica", mayRetry: false);
        tries.Failed.Add(replica.Uid);
        return outside.Functions.PostAsync(
            replica,
            function,
            context,
            new StageRequest
            {
                Pipeline = pipeline.Key.Name,
                Stage = stage.Name,
                Run = context.Id,
                Item = work.Path.ToString(),
                Inputs = PipelineShape.InputsOf(stage).Zip(inputs).ToDictionary(pair => pair.First.From, pair => pair.Second),
                Duplicate = attempt > 1,
            },
            cancellationToken);
    }

    private async IAsyncEnumerable<string> NestedAsync(string name, string request, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (depth == PipelineRunner.MaxDepth)
            throw new CallException($"pipelines call each other more than {PipelineRunner.MaxDepth} deep", mayRetry: false);
        ServedPipeline other = outside.Get(new ModelKey(pipeline.Key.Namespace, name))
            ?? throw new CallException($"the pipeline '{name}' does not exist, or its spec was not accepted", mayRetry: false);
        await foreach (RunOutput output in outside.RunAsync(other, request, context, withStages: false, depth + 1, cancellationToken))
        {
            if (output is RunOutput.Piece piece)
                yield return piece.Text;
            else if (output is RunOutput.Ended { End: { FailedStage: { } failed } end })
                throw new CallException($"its stage '{failed}' failed: {end.Reason}", mayRetry: false);
        }
    }

    private async Task AnswerAsync(IAsyncEnumerable<string> pieces, CancellationToken cancellationToken)
    {
        long offset = 0;
        await foreach (string piece in pieces.WithCancellation(cancellationToken))
        {
            execution.Feed(new RunEvent.Piece(work, offset, piece));
            offset += piece.Length;
            await execution.WaitForRoomAsync(work.Node, _clock, cancellationToken);
        }
        Activity.Current?.SetTag("aifabric.characters", offset);
        execution.Feed(new RunEvent.Ended(work, offset));
    }

    [SuppressMessage("Design", "CA1031", Justification = "The top of a task: what fails in it ends the stage, and is logged.")]
    private async Task WorkAsync(Func<StageCall, CancellationToken, Task> body, CancellationToken over)
    {
        using Activity? span = PipelineTraces.Begin(stage.Name, work.Path, execution.Trace);
        using var any = CancellationTokenSource.CreateLinkedTokenSource(over, _cancelled.Token, _clock.Token);
        string? failure = null;
        long begun = outside.Time.GetTimestamp();
        try
        {
            await body(this, any.Token);
            pipeline.Paces[stage.Name].Add(outside.Time.GetElapsedTime(begun));
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested || _cancelled.IsCancellationRequested)
        {
            // Nobody waits for it.
        }
        catch (OperationCanceledException)
        {
            failure = $"it took longer than {_clock.Limit.TotalSeconds} s";
        }
        catch (CallException e)
        {
            failure = e.Message;
        }
        catch (Exception e)
        {
            Log.StageBroke(outside.Logger, pipeline.Key.Name, stage.Name, e);
            failure = "the gateway failed; its log says why";
        }
        if (failure is not null)
        {
            span?.SetStatus(ActivityStatusCode.Error, failure);
            execution.Feed(new RunEvent.Failed(work, failure));
        }
        execution.Forget(work);
        Dispose();
    }

    private async Task CancelAsync() => await _cancelled.CancelAsync();
}
