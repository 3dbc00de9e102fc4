using System.Diagnostics.CodeAnalysis;
using System.Text;
using AiFabric.Gateway.AsyncRuns.Storage;
using AiFabric.Gateway.Pipelines.Execution;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>
/// One attempt at a run, under its lease: (1) the pipeline runs; (2) each second what happened is kept and the lease renewed, with one write over what was read;
/// (3) when that shows another owner, or the lease could not be renewed in time, the attempt ends and writes nothing more; (4) its end is written under the lease too,
/// and told after that.
/// </summary>
internal sealed class RunExecution : IDisposable
{
    /// <summary>What the stages made and is not kept yet, at most; beyond it the run waits. Characters.</summary>
    private const int MaxPending = 256 << 10;

    /// <summary>The longest text of a stage that is kept, characters.</summary>
    private const int MaxText = 256 << 10;

    /// <summary>What is kept of all stages' texts, characters.</summary>
    private const int MaxKept = 8 << 20;

    /// <summary>Times that a text is tried to be kept: it may be more than the store ever takes.</summary>
    private const int MaxTries = 30;

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    private readonly RunParts _parts;
    private readonly RunRecord _lease;
    private readonly CancellationTokenSource _lost = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly List<RunEntry> _pending = [];
    private readonly StringBuilder _answer = new();
    private readonly RunContext _context;
    private readonly List<PageRef> _written = []; // Kept, and not known to be in the run.
    private Task _telling = Task.CompletedTask;
    private long _leaseUntil;
    private int _pendingCharacters;
    private int _keptCharacters;

    /// <param name="lease">The run, as it was claimed.</param>
    /// <param name="parts">What it needs.</param>
    public RunExecution(RunRecord lease, RunParts parts)
    {
        (_lease, _parts, _leaseUntil) = (lease, parts, lease.LeaseUntil);
        // Functions tell runs apart by this name, and an attempt must not meet the state of the one before it.
        _context = new RunContext(lease.Attempts == 1 ? lease.Id : $"{lease.Id}-{lease.Attempts}", lease.Tenant.Length > 0 ? lease.Tenant : null, parts.Time);
    }

    /// <summary>Ends the attempt: the run is no longer this replica's.</summary>
    public Task LoseAsync() => _lost.CancelAsync();

    /// <summary>Runs it to its end.</summary>
    /// <param name="shutdown">Gives it back.</param>
    /// <returns>The run, if it has ended by this: its end is to be told.</returns>
    public async Task<RunRecord?> RunAsync(CancellationToken shutdown)
    {
        TimeSpan left = TimeSpan.FromMilliseconds(Math.Max(1, (_lease.DeadlineAt * 1_000) - Now));
        using var deadline = new CancellationTokenSource(left, _parts.Time);
        using var any = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, shutdown, _lost.Token);
        using var beats = new CancellationTokenSource();
        Task heart = BeatAsync(beats.Token);
        Func<RunRecord, RunRecord>? end = await WorkOrLogAsync(any.Token);
        await beats.CancelAsync();
        // However they ended: an end that is not written keeps the run from others until its lease runs out.
        await EndOrLogAsync(heart);
        if (end is null && deadline.IsCancellationRequested)
            end = run => run.End(RunStatus.Expired, NowSeconds, new PipelineRunError { Code = "expired", Message = $"The run had not ended within {run.DeadlineAt - run.CreatedAt} s." });
        RunRecord? ended = await WriteEndAsync(end ?? (run => run with { Status = RunStatus.Queued, StartedAt = null, Owner = null, LeaseUntil = 0, Releases = run.Releases + 1 }));
        // Only now, for nobody renews the lease any more: a broker that is slow must not cost it.
        await EndOrLogAsync(_telling);
        return ended;
    }

    public void Dispose()
    {
        _lost.Dispose();
        _turn.Dispose();
    }

    private long Now => _parts.Time.GetUtcNow().ToUnixTimeMilliseconds();

    private long NowSeconds => Now / 1_000;

    /// <summary>The top of the attempt: how the run ended; null when it was interrupted.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The top of a task: what fails in it ends the run, and is logged.")]
    private async Task<Func<RunRecord, RunRecord>?> WorkOrLogAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await WorkAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return null;
        }
        catch (StorageException e)
        {
            return Fail("storage_failed", $"The run could not be kept: {e.Message}.");
        }
        catch (Exception e)
        {
            Log.RunBroke(_parts.Log, _lease.Id, e);
            return Fail("server_error", "The gateway failed; its log says why.");
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "What goes on beside the attempt does not decide how it ends. It is logged.")]
    private async Task EndOrLogAsync(Task beside)
    {
        try
        {
            await beside;
        }
        catch (Exception e)
        {
            Log.RunBroke(_parts.Log, _lease.Id, e);
        }
    }

    /// <returns>How the run ended; null when another gateway may do what failed here.</returns>
    private async Task<Func<RunRecord, RunRecord>?> WorkAsync(CancellationToken cancellationToken)
    {
        string? input = await PersistAsync(() => _parts.Store.ReadInputAsync(_lease, cancellationToken), cancellationToken);
        if (input is null)
            return Fail("input_lost", "The run's input is not kept any more.");
        if (_parts.Catalog.Get(_lease.Key) is not { } pipeline)
            return Fail("pipeline_not_found", $"The pipeline '{_lease.Namespace}/{_lease.Pipeline}' does not exist any more, or its spec was not accepted.");
        RunEnd? end = null;
        await foreach (RunOutput output in _parts.Runner.RunAsync(pipeline, input, _context, withStages: true, cancellationToken))
        {
            switch (output)
            {
                case RunOutput.Piece piece:
                    _answer.Append(piece.Text);
                    break;
                case RunOutput.Stage stage:
                    await AddAsync(stage, cancellationToken);
                    break;
                case RunOutput.Ended ended:
                    end = ended.End;
                    break;
            }
        }
        if (_context.WasTurnedAway && end is { FailedStage: not null } or { Partial.Count: > 0 })
            return null;
        if (end is { FailedStage: { } failed })
            return Fail("stage_failed", $"The stage '{failed}' failed: {end.Reason}.", failed);
        string answer = await PersistAsync(() => _parts.Store.WriteOutputAsync(_lease, _answer.ToString(), cancellationToken), cancellationToken);
        return run => run.End(RunStatus.Completed, NowSeconds) with { Output = answer, Usage = _context.Usage, PartialStages = end?.Partial is { Count: > 0 } partial ? partial : null };
    }

    private Func<RunRecord, RunRecord> Fail(string code, string message, string? stage = null) => run =>
        run.End(RunStatus.Failed, NowSeconds, new PipelineRunError { Code = code, Message = message, Stage = stage }) with { Usage = _context.Usage };

    private async Task AddAsync(RunOutput.Stage stage, CancellationToken cancellationToken)
    {
        bool full;
        lock (_pending)
        {
            bool keep = stage.Text.Length <= MaxText && _keptCharacters + stage.Text.Length <= MaxKept;
            _pending.Add(new RunEntry(Now, _lease.Attempts, stage.Name, stage.Item, keep ? stage.Text : null, stage.Text.Length));
            if (keep)
            {
                _keptCharacters += stage.Text.Length;
                _pendingCharacters += stage.Text.Length;
            }
            full = _pendingCharacters > MaxPending;
        }
        if (full)
            await PersistAsync(() => CommitAsync(Renew, cancellationToken), cancellationToken);
    }

    /// <summary>Tries until the store takes it.</summary>
    /// <exception cref="StorageException">It never did.</exception>
    private async Task<T> PersistAsync<T>(Func<Task<T>> write, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await write();
            }
            catch (StorageException e) when (attempt < MaxTries)
            {
                Log.RunNotKept(_parts.Log, _lease.Id, e);
                await Task.Delay(Beat, _parts.Time, cancellationToken);
            }
        }
    }

    private async Task BeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Beat, _parts.Time);
        try
        {
            do
            {
                try
                {
                    TellBeside(await CommitAsync(Renew, cancellationToken));
                }
                catch (StorageException e)
                {
                    Log.RunNotKept(_parts.Log, _lease.Id, e);
                    if (Now >= Interlocked.Read(ref _leaseUntil))
                        await LoseAsync();
                }
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The attempt is over.
        }
    }

    private RunRecord Renew(RunRecord run) => run.LeaseUntil - Now < _parts.Options.Value.Lease.TotalMilliseconds / 2
        ? run with { LeaseUntil = Now + (long)_parts.Options.Value.Lease.TotalMilliseconds }
        : run;

    /// <summary>Writes the end of the attempt, as long as it is this replica's to write.</summary>
    /// <returns>The run, if it has ended with it.</returns>
    private async Task<RunRecord?> WriteEndAsync(Func<RunRecord, RunRecord> end)
    {
        while (!_lost.IsCancellationRequested)
        {
            try
            {
                if (await CommitAsync(end, CancellationToken.None) is not { HasEnded: true } run)
                    return null;
                Log.RunEnded(_parts.Log, run.Id, run.Status, run.Attempts);
                GatewayMetrics.RunsEnded.WithLabels(RunView.Name(run.Status)).Inc();
                return run;
            }
            catch (StorageException e)
            {
                Log.RunNotKept(_parts.Log, _lease.Id, e);
                if (Now >= Interlocked.Read(ref _leaseUntil))
                    return null; // Whoever claims it next begins anew, or tells the end that was written after all.
                await Task.Delay(Beat, _parts.Time);
            }
        }
        return null;
    }

    /// <summary>Keeps what happened since the last time, and changes the run.</summary>
    /// <returns>The run as it is then; null when it is not this attempt's any more.</returns>
    private async Task<RunRecord?> CommitAsync(Func<RunRecord, RunRecord> change, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            RunEntry[] entries;
            lock (_pending)
                entries = [.. _pending.Skip(_written.Sum(page => page.Entries))];
            if (entries.Length > 0)
                _written.Add(await _parts.Store.WritePageAsync(_lease, entries, cancellationToken));
            PageRef[] written = [.. _written];
            // A page whose write to the run went unanswered may be in it already: it goes in once.
            RunRecord? now = await _parts.Store.ChangeAsync(
                _lease.Id, run => IsMine(run) ? change(written.All(run.Pages.Contains) ? run : run with { Pages = [.. run.Pages.Union(written)] }) : null, cancellationToken);
            if (now is null)
            {
                await LoseAsync();
                return null;
            }
            Forget();
            Interlocked.Exchange(ref _leaseUntil, now.LeaseUntil);
            return now;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Events are told beside the beats: a broker that is slow must not cost the lease.</summary>
    private void TellBeside(RunRecord? now)
    {
        if (now is not null && _telling.IsCompleted)
            _telling = _parts.Teller.TellAsync(now, CancellationToken.None);
    }

    private void Forget()
    {
        int count = _written.Sum(page => page.Entries);
        _written.Clear();
        lock (_pending)
        {
            _pendingCharacters -= _pending.Take(count).Sum(entry => entry.Text?.Length ?? 0);
            _pending.RemoveRange(0, count);
        }
    }

    private bool IsMine(RunRecord run) => run.Owner == _lease.Owner && run.Attempts == _lease.Attempts;
}
