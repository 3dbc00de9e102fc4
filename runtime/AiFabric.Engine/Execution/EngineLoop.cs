using System.Threading.Channels;
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
    private readonly ILogger logger;
    private readonly int threads;
    private readonly int maxQueued;
    private readonly Thread thread;
    private readonly TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool stopping;
    private int queued;
    private int running;
    private int waiting;
    private long waitingTokens;
    private int freeBlocks;

    public EngineLoop(EngineOptions options, BlockPool pool, ModelRunner runner, Delivery delivery, EngineMetrics metrics, ILogger logger)
    {
        (this.pool, this.runner, this.delivery, this.metrics, this.logger) = (pool, runner, delivery, metrics, logger);
        scheduler = new Scheduler(SchedulerOptions.From(options), pool);
        submissions = Channel.CreateBounded<RequestStream>(new BoundedChannelOptions(options.MaxQueuedRequests) { SingleReader = true });
        threads = options.Threads;
        maxQueued = options.MaxQueuedRequests;
        freeBlocks = pool.Free;
        thread = new Thread(Main) { Name = "engine", IsBackground = true };
    }

    /// <summary>Only for work given to <see cref="PostAsync{T}"/>.</summary>
    public TrainingRotation Training { get; } = new();

    public EngineLoad Load(double? attainment) => new(
        Volatile.Read(ref running), Volatile.Read(ref waiting) + submissions.Reader.Count, Volatile.Read(ref waitingTokens), pool.Total,
        Volatile.Read(ref freeBlocks), attainment);

    public void Start() => thread.Start();

    /// <summary>Queues a request. Any thread.</summary>
    /// <exception cref="EngineRejectedException">queue_full or engine_stopped.</exception>
    public void Submit(RequestStream stream)
    {
        if (Interlocked.Increment(ref queued) > maxQueued)
        {
            Interlocked.Decrement(ref queued);
            throw new EngineRejectedException(RejectionCodes.QueueFull, $"{maxQueued} requests wait already; try again later.");
        }
        if (!submissions.Writer.TryWrite(stream))
        {
            Interlocked.Decrement(ref queued);
            throw new EngineRejectedException(RejectionCodes.EngineStopped, "The engine is shutting down.");
        }
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

    /// <summary>Makes the thread look for work again. Any thread.</summary>
    public void Wake() => wake.Set();

    /// <summary>Ends every sequence as cancelled and the thread after the running iteration.</summary>
    public Task StopAsync()
    {
        stopping = true;
        wake.Set();
        return stopped.Task;
    }

    private void Main()
    {
        set_num_threads(threads);
#pragma warning disable CA1031 // The last frame of the thread: nothing above could catch it.
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
            Log.LoopFailed(logger, e);
        }
        finally
        {
            Shut();
            stopped.SetResult();
        }
#pragma warning restore CA1031
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
        var training = Training.Next(out var demand);
        if (!scheduler.HasSequences && training is null)
        {
            Publish();
            return false;
        }
        var batch = scheduler.Next(demand);
        Interlocked.Add(ref queued, -batch.Admitted);
        delivery.Admitted(batch);
        Deliver();
        if (batch.IsEmpty)
        {
            Publish();
            return scheduler.HasSequences;
        }
        var trains = batch.TrainingForwardTokens > 0 || batch.TrainingBackwardTokens > 0 ? training : null;
#pragma warning disable CA1031 // One iteration's failure ends its sequences, not the engine.
        try
        {
            var outcome = runner.Run(batch, trains);
            scheduler.Commit(batch, outcome);
            delivery.Tokens(batch, outcome);
            Count(batch, outcome);
        }
        catch (Exception e)
        {
            Recover(batch, trains, e);
        }
#pragma warning restore CA1031
        Deliver();
        Publish();
        return true;
    }

    // Finetuning is suspected first: without it the same sequences run again, and if they fail once more, they end.
    private void Recover(Batch batch, ITrainingExecutor? training, Exception exception)
    {
        metrics.FailedIterations.Add(1);
        if (training is null)
        {
            Log.IterationFailed(logger, exception, batch.DecodeRows.Count + batch.PromptChunks.Count);
            scheduler.Fail(batch, exception.Message);
            return;
        }
        Log.TrainingLeftLoop(logger, exception);
        metrics.TrainingFaults.Add(1);
#pragma warning disable CA1031 // The caller's callback must not stop the engine.
        try
        {
            Training.TakeFaulted(training)?.Invoke(exception);
        }
        catch (Exception e)
        {
            Log.CallbackFailed(logger, e);
        }
#pragma warning restore CA1031
    }

    private void Deliver()
    {
        foreach (var sequence in scheduler.Ended)
        {
            if (!sequence.WasAdmitted)
                Interlocked.Decrement(ref queued);
        }
        delivery.Ends(scheduler.Ended);
    }

    private void Count(Batch batch, BatchOutcome outcome)
    {
        metrics.Iterations.Add(1);
        if (batch.HasInference && outcome.TrainingForwardTokens > 0)
            metrics.CoServedIterations.Add(1);
        metrics.PromptTokens.Add(batch.PromptTokens);
        metrics.Preemptions.Add(batch.Preempted);
        metrics.PrefixQueryTokens.Add(batch.PrefixQueryTokens);
        metrics.PrefixHitTokens.Add(batch.PrefixHitTokens);
        metrics.TrainingForwardTokens.Add(outcome.TrainingForwardTokens);
        metrics.TrainingBackwardTokens.Add(outcome.TrainingBackwardTokens);
        metrics.IterationSeconds.Observe((outcome.ForwardTime + outcome.BackwardTime).TotalSeconds);
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
