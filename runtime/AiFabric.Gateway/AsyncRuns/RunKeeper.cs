using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using AiFabric.Gateway.AsyncRuns.Storage;
using AiFabric.Gateway.Shutdown;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>
/// Works off the queue of runs, beside the other replicas: (1) each second, and when a run is added here, the list of open runs is read; (2) for each that is not this
/// replica's, <see cref="RunPlanner"/> says what to do; (3) what is claimed runs beside the others, and ends that nobody told are told beside the queue;
/// (4) when the gateway stops, runs have as long as requests have, and are given back then.
/// </summary>
public sealed class RunKeeper(RunParts parts, Drain drain, IHostApplicationLifetime lifetime) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    /// <summary>How often all of the list is looked at when there is no room for more runs: others of it may have to be ended.</summary>
    private const int FullLook = 10;

    /// <summary>Runs read at once.</summary>
    private const int Batch = 16;

    /// <summary>This process among the replicas.</summary>
    private readonly string _owner = Guid.NewGuid().ToString("n");

    private readonly ConcurrentDictionary<string, (RunExecution Execution, Task Ended)> _running = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Tells of runs that have ended.</summary>
    private Task _settling = Task.CompletedTask;

    private RunOptions Options => parts.Options.Value;

    private long Now => parts.Time.GetUtcNow().ToUnixTimeMilliseconds();

    // A signal comes before the drain: what was given back in between would be taken again.
    private bool HasRoom => _running.Count < Options.RunsConcurrent && !drain.HasBegun && !lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>Has the queue looked at now.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    /// <summary>Ends a run that has not ended, and tells of it; one that has ended stays as it is.</summary>
    /// <returns>The run; null when it does not exist.</returns>
    /// <exception cref="StorageException">The store does not answer.</exception>
    public async Task<RunRecord?> EndAsync(string id, RunStatus status, PipelineRunError? error, CancellationToken cancellationToken)
    {
        if (await EndUntoldAsync(id, status, error, cancellationToken) is not { } ended)
            return await parts.Store.FindAsync(id, cancellationToken);
        await SettleAsync(ended, cancellationToken);
        return ended;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (int turn = 0; !stoppingToken.IsCancellationRequested; turn++)
        {
            await LookOrLogAsync(everything: turn % FullLook == 0, stoppingToken);
            using var tick = new CancellationTokenSource(Period, parts.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(tick.Token, stoppingToken);
            await ((Task)_wake.Reader.ReadAsync(either.Token).AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await Task.WhenAll([.. _running.Values.Select(run => run.Ended), _settling]); // Cut off with the requests.
    }

    [SuppressMessage("Design", "CA1031", Justification = "The top of a loop that must go on. It logs the exception.")]
    private async Task LookOrLogAsync(bool everything, CancellationToken cancellationToken)
    {
        try
        {
            await LookAsync(everything, cancellationToken);
        }
        catch (Exception e)
        {
            if (!cancellationToken.IsCancellationRequested)
                Log.RunsNotKept(parts.Log, e);
        }
    }

    private async Task LookAsync(bool everything, CancellationToken cancellationToken)
    {
        // Begun before it is known who serves what, a run would fail for models that are there.
        if ((!HasRoom && !everything) || !parts.Catalog.HasSynced || !parts.Routes.HasSynced)
            return;
        IReadOnlyList<IndexEntry> open = await parts.Store.OpenAsync(cancellationToken);
        GatewayMetrics.RunsOpen.Set(open.Count);
        var ended = new List<RunRecord>();
        foreach (IndexEntry[] batch in open.Where(entry => !_running.ContainsKey(entry.Id)).Chunk(Batch))
        {
            if (!HasRoom && !everything)
                break;
            IReadOnlyList<RunRecord?> runs = await parts.Store.FindAsync(batch.Select(entry => entry.Id), cancellationToken);
            foreach ((IndexEntry entry, RunRecord? run) in batch.Zip(runs))
            {
                if (await DoAsync(entry, run, cancellationToken) is { } untold)
                    ended.Add(untold);
            }
        }
        // A broker that does not answer must not hold up runs that wait. What is left out here is found again.
        if (ended.Count > 0 && _settling.IsCompleted)
            _settling = SettleOrLogAsync(ended, cancellationToken);
    }

    /// <returns>The run, when its end is to be told.</returns>
    private async Task<RunRecord?> DoAsync(IndexEntry entry, RunRecord? run, CancellationToken cancellationToken)
    {
        switch (Decide(run, parts.Store.IsLeftOver(entry)))
        {
            case RunStep.Claim:
                await ClaimAsync(run!, cancellationToken); // It waits, so it is there.
                return null;
            case RunStep.Expire:
                return await EndUntoldAsync(
                    entry.Id, RunStatus.Expired, new PipelineRunError { Code = "expired", Message = "The run had not ended within its time." }, cancellationToken);
            case RunStep.GiveUp:
                return await EndUntoldAsync(entry.Id, RunStatus.Failed, new PipelineRunError
                {
                    Code = "attempts_exhausted",
                    Message = $"The run was begun {Options.RunAttempts} times, and each time its gateway was lost.",
                }, cancellationToken);
            case RunStep.Settle:
                return run;
            case RunStep.Drop:
                await parts.Store.DropAsync(entry, cancellationToken);
                return null;
            default:
                return null;
        }
    }

    private RunStep Decide(RunRecord? run, bool leftOver) => RunPlanner.Decide(run, leftOver, Now, HasRoom, Options);

    /// <summary>Ends a run that has not ended.</summary>
    /// <returns>The run; null when it has ended, or does not exist.</returns>
    private async Task<RunRecord?> EndUntoldAsync(string id, RunStatus status, PipelineRunError? error, CancellationToken cancellationToken)
    {
        if (await parts.Store.ChangeAsync(
            id, now => now.HasEnded ? null : now.End(status, parts.Time.GetUtcNow().ToUnixTimeSeconds(), error), cancellationToken) is not { } run)
        {
            return null;
        }
        GatewayMetrics.RunsEnded.WithLabels(RunView.Name(status)).Inc();
        if (_running.TryGetValue(id, out (RunExecution Execution, Task Ended) here))
        {
            await here.Execution.LoseAsync();
            await here.Ended.WaitAsync(cancellationToken);
        }
        return run;
    }

    /// <summary>All of them, whatever becomes of one: it may be one whose events are lost.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The top of a task. It logs the exception, and the run is found again.")]
    private async Task SettleOrLogAsync(IReadOnlyList<RunRecord> ended, CancellationToken cancellationToken)
    {
        foreach (RunRecord run in ended)
        {
            try
            {
                await SettleAsync(run, cancellationToken);
            }
            catch (Exception e)
            {
                if (cancellationToken.IsCancellationRequested)
                    return;
                Log.RunsNotKept(parts.Log, e);
            }
        }
    }

    /// <summary>Tells of a run that has ended, and closes it. It is read anew, for what was told of it meanwhile.</summary>
    private async Task SettleAsync(RunRecord run, CancellationToken cancellationToken)
    {
        RunRecord now = await parts.Store.FindAsync(run.Id, cancellationToken) ?? run; // It may not have to be kept any longer.
        if (await parts.Teller.TellAsync(now, cancellationToken))
            await parts.Store.CloseAsync(now, cancellationToken);
    }

    private async Task ClaimAsync(RunRecord found, CancellationToken cancellationToken)
    {
        // Who sees that a run is in progress finds among its events that it was started: one write says both.
        PageRef started = await parts.Store.WritePageAsync(found, [new RunEntry(Now, found.Attempts + 1)], cancellationToken);
        bool claimed = false;
        RunRecord? run = await parts.Store.ChangeAsync(
            found.Id, now => (claimed = now.Attempts == found.Attempts && Decide(now, leftOver: false) == RunStep.Claim) ? Lease(now, started) : null, cancellationToken);
        if (run is null || !claimed)
            return;
        Log.RunClaimed(parts.Log, run.Id, run.Attempts);
        var execution = new RunExecution(run, parts);
        var begin = new TaskCompletionSource();
        _running[run.Id] = (execution, RunAsync(run.Id, execution, begin.Task));
        GatewayMetrics.RunsInProgress.Set(_running.Count);
        begin.SetResult();
    }

    private RunRecord Lease(RunRecord run, PageRef started) => run with
    {
        Pages = [.. run.Pages, started],
        Status = RunStatus.InProgress,
        StartedAt = Now / 1_000,
        Attempts = run.Attempts + 1,
        Owner = _owner,
        LeaseUntil = Now + (long)Options.Lease.TotalMilliseconds,
    };

    /// <param name="id">The run.</param>
    /// <param name="execution">Its attempt.</param>
    /// <param name="begin">When it is in the list of running ones.</param>
    [SuppressMessage("Design", "CA1031", Justification = "The top of a task. It logs the exception, and the run's lease runs out.")]
    private async Task RunAsync(string id, RunExecution execution, Task begin)
    {
        await begin.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            if (await execution.RunAsync(drain.Cut) is { } ended)
                await SettleAsync(ended, CancellationToken.None);
        }
        catch (StorageException e)
        {
            Log.RunNotKept(parts.Log, id, e); // Its end is kept, and told by whoever looks at the queue when a lease has passed.
        }
        catch (Exception e)
        {
            Log.RunBroke(parts.Log, id, e);
        }
        finally
        {
            _running.TryRemove(id, out _);
            GatewayMetrics.RunsInProgress.Set(_running.Count);
            execution.Dispose();
            Wake();
        }
    }
}
