using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using AiFabric.Engine.Interop;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>The engine's one thread: takes requests and commands, then plans, runs and commits iterations; sleeps when there is nothing to do.</summary>
internal sealed class EngineLoop
{
    private const int MaxCommands = 1024;

    private readonly Channel<RequestStream> submissions;
    private readonly Channel<EngineCommand> commands = Channel.CreateBounded<EngineCommand>(new BoundedChannelOptions(MaxCommands) { SingleReader = true });
    private readonly WakeSignal wake = new();
    private readonly Scheduler scheduler;
    private readonly BlockPool pool;
    private readonly ModelRunner runner;
    private readonly Delivery delivery;
    private readonly EngineMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly Action<Batch, BatchOutcome>? observer;
    private readonly int threads;
    private readonly QueueRoom room;
    private readonly Thread thread;
    private readonly TaskCompletionSource<Exception?> stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool stopping;
    private (ITrainingExecutor Session, Exception Failure)? suspect;
    private int running;
    private int waiting;
    private long waitingTokens;
    private int freeBlocks;

    public EngineLoop(EngineOptions options, SchedulerOptions bounds, BlockPool pool, ModelRunner runner, Delivery delivery, EngineMetrics metrics, TimeProvider time, ILogger logger)
    {
        (this.pool, this.runner, this.delivery, this.metrics, this.time, this.logger) = (pool, runner, delivery, metrics, time, logger);
        scheduler = new Scheduler(bounds, pool);
        submissions = Channel.CreateBounded<RequestStream>(new BoundedChannelOptions(options.MaxQueuedRequests) { SingleReader = true });
        (threads, observer) = (options.Threads, options.Observer);
        room = new QueueRoom(options.MaxQueuedRequests);
        freeBlocks = pool.Free;
        Training = new TrainingRotation(wake.Set);
        thread = new Thread(Main) { Name = "engine", IsBackground = true };
    }

    /// <summary>Only for work given to <see cref="PostAsync{T}"/>.</summary>
    public TrainingRotation Training { get; }

    /// <summary>Only before the start and after the end.</summary>
    public LatencyModel Latency => scheduler.Latency;

    /// <summary>Names of cached prefixes. Any thread.</summary>
    public PrefixLedger Prefixes => pool.Ledger;

    public EngineLoad Load(double? attainment) => new(
        Volatile.Read(ref running), Volatile.Read(ref waiting) + submissions.Reader.Count, Volatile.Read(ref waitingTokens), pool.Total,
        Volatile.Read(ref freeBlocks), attainment);

    public void Start() => thread.Start();

    /// <summary>Queues a request. Any thread.</summary>
    /// <exception cref="EngineRejectedException">queue_full or engine_stopped.</exception>
    public void Submit(RequestStream stream)
    {
        if (!room.TryEnter(stream.Sequence.Request.PlaceHolder))
            throw new EngineRejectedException(RejectionCodes.QueueFull, "Too many requests wait already; try again later.");
        stream.GoesOn = wake.Set;
        if (!submissions.Writer.TryWrite(stream))
        {
            room.Leave(stream.Sequence.Request.PlaceHolder);
            throw new EngineRejectedException(RejectionCodes.EngineStopped, "The engine is shutting down.");
        }
        wake.Set();
    }

    /// <summary>Ends a sequence before its end, within an iteration. Any thread.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="isWhole">Whether its reader has all that it wants, so that it is not counted as cancelled.</param>
    public void Cancel(Sequence sequence, bool isWhole)
    {
        if (sequence.State == SequenceState.Ended)
            return;
        if (isWhole)
            sequence.RequestStop();
        else
            sequence.RequestCancel();
        wake.Set();
    }

    /// <summary>Has a command run between two iterations. Any thread.</summary>
    public async Task<T> PostAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        var command = new EngineCommand<T>(work, cancellationToken);
        try
        {
            await commands.Writer.WriteAsync(command, cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            command.Abandon();
        }
        wake.Set();
        return await command.Answer.ConfigureAwait(false);
    }

    /// <summary>Ends when the thread has ended: with what it failed of, or with null when it was asked to.</summary>
    public Task<Exception?> Stopped => stopped.Task;

    /// <summary>Makes the thread look for work again. Any thread.</summary>
    public void Wake() => wake.Set();

    /// <summary>Ends every sequence as cancelled and the thread after the running iteration.</summary>
    public Task StopAsync()
    {
        stopping = true;
        wake.Set();
        return stopped.Task;
    }

    [SuppressMessage("Design", "CA1031", Justification = "The last frame of the thread: nothing above could catch it. Logged.")]
    private void Main()
    {
        if (TorchRuntime.IsLoaded) // Else whoever brings tensors along says it: libtorch holds the number by thread.
            set_num_threads(threads);
        Exception? failure = null;
        try
        {
            while (!stopping)
            {
                Drain();
                if (!Iterate())
                    wake.Wait();
            }
        }
        catch (Exception e)
        {
            failure = e;
            Log.LoopFailed(logger, e);
        }
        finally
        {
            Shut();
            stopped.SetResult(failure);
        }
    }

    private void Drain()
    {
        while (commands.Reader.TryRead(out var command))
            command.Execute();
        while (submissions.Reader.TryRead(out var stream))
        {
            delivery.Open(stream);
            scheduler.Add(stream.Sequence);
        }
    }

    /// <returns>False when there is nothing to do.</returns>
    private bool Iterate()
    {
        var training = NextTraining(out var demand);
        if (!scheduler.HasSequences && training is null)
        {
            suspect = null;
            Publish();
            return false;
        }
        var batch = scheduler.Next(demand, time.GetElapsedTime(0));
        foreach (var sequence in batch.Newcomers)
            room.Leave(sequence.Request.PlaceHolder);
        delivery.Admitted(batch);
        Deliver();
        if (!batch.IsEmpty)
            Run(batch, batch.HasTraining ? training : null);
        Publish();
        return !batch.IsEmpty || scheduler.HasWork;
    }

    [SuppressMessage("Design", "CA1031", Justification = "One iteration's failure ends its sequences or its training session, logged, and not the engine.")]
    private void Run(Batch batch, ITrainingExecutor? training)
    {
        BatchOutcome outcome;
        try
        {
            outcome = runner.Run(batch, training);
        }
        catch (Exception e)
        {
            Recover(batch, training, e);
            Deliver();
            return;
        }
        if (suspect is { } guilty)
            Evict(guilty.Session, guilty.Failure);
        scheduler.Commit(batch, outcome);
        if (training is not null)
            Training.Charge(training, batch.TrainingWork);
        delivery.Tokens(batch, outcome);
        metrics.Count(batch, outcome);
        observer?.Invoke(batch, outcome);
        Deliver();
    }

    // A shared iteration that fails is run again without finetuning: what fails then is inference's fault, what passes finetuning's.
    private void Recover(Batch batch, ITrainingExecutor? training, Exception exception)
    {
        metrics.FailedIterations.Add(1);
        runner.RequireDevice(exception);
        if (training is not null && batch.HasInference)
        {
            suspect = (training, exception);
        }
        else if (training is not null)
        {
            Evict(training, exception);
        }
        else
        {
            suspect = null;
            Log.IterationFailed(logger, exception, batch.DecodeRows.Count + batch.PromptChunks.Count);
            scheduler.Fail(batch, exception.Message);
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "A session that cannot even say what it wants is taken out, logged; the engine goes on.")]
    private ITrainingExecutor? NextTraining(out TrainingDemand demand)
    {
        demand = default;
        if (suspect is not null)
            return null;
        try
        {
            return Training.Next(out demand);
        }
        catch (Exception e) when (Training.Asked is { } session)
        {
            Evict(session, e);
            return null;
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "The caller's callback must not stop the engine.")]
    private void Evict(ITrainingExecutor training, Exception exception)
    {
        suspect = null;
        Log.TrainingLeftLoop(logger, exception);
        metrics.TrainingFaults.Add(1);
        try
        {
            Training.TakeFaulted(training)?.Invoke(exception);
        }
        catch (Exception e)
        {
            Log.CallbackFailed(logger, e);
        }
    }

    private void Deliver()
    {
        foreach (var sequence in scheduler.Ended)
        {
            if (!sequence.WasAdmitted)
                room.Leave(sequence.Request.PlaceHolder);
            if (sequence.Finish == FinishReason.Error)
                Log.SequenceFailed(logger, sequence.Request.Adapter ?? "(none)", sequence.Error);
        }
        delivery.Ends(scheduler.Ended);
    }

    private void Publish()
    {
        Volatile.Write(ref running, scheduler.RunningCount);
        Volatile.Write(ref waiting, scheduler.WaitingCount);
        Volatile.Write(ref waitingTokens, scheduler.WaitingTokens);
        Volatile.Write(ref freeBlocks, pool.Free);
    }

    private void Shut()
    {
        submissions.Writer.TryComplete();
        commands.Writer.TryComplete();
        while (commands.Reader.TryRead(out var command))
            command.Abandon();
        while (submissions.Reader.TryRead(out var stream))
        {
            delivery.Open(stream);
            scheduler.Add(stream.Sequence);
        }
        scheduler.CancelAll();
        Deliver();
        Publish();
    }
}
