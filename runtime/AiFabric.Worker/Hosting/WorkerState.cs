using AiFabric.Worker.Backend;
using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Hosting;

internal enum WorkerPhase
{
    Loading,
    Ready,
    Leaving,
    Draining,
    Failed,
}

/// <summary>Where the process stands and which requests run. Thread safe.</summary>
internal sealed class WorkerState : IDisposable
{
    private const string ShuttingDown = "The server is shutting down.";

    private readonly Lock gate = new();
    private readonly CancellationTokenSource abort = new();
    private readonly TaskCompletionSource<Exception> failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? idle;
    private ServedModel? model;

    public WorkerPhase Phase { get; private set; } = WorkerPhase.Loading;

    /// <summary>Why it is not ready.</summary>
    public string Reason { get; private set; } = "The model is being loaded.";

    public int Requests { get; private set; }

    /// <summary>Ends, with the reason, when loading fails or the engine dies; else never.</summary>
    public Task<Exception> Failed => failed.Task;

    /// <summary>Cancelled when running requests must end.</summary>
    public CancellationToken Aborted => abort.Token;

    /// <summary>The model, also while draining.</summary>
    /// <exception cref="ApiException">503: not loaded, or it failed.</exception>
    public ServedModel Model
    {
        get
        {
            lock (gate)
                return (Phase == WorkerPhase.Failed ? null : model) ?? throw NotReady();
        }
    }

    public bool TryGetModel([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out ServedModel? loaded)
    {
        lock (gate)
            return (loaded = model) is not null;
    }

    public void SetReady(ServedModel loaded)
    {
        lock (gate)
        {
            model = loaded;
            if (Phase == WorkerPhase.Loading)
                (Phase, Reason) = (WorkerPhase.Ready, "");
        }
    }

    public void SetFailed(Exception cause)
    {
        lock (gate)
            (Phase, Reason) = (WorkerPhase.Failed, WorkerCommand.OneLine(cause.Message));
        failed.TrySetResult(cause);
    }

    /// <summary>Says not ready, yet goes on taking requests: those sent here by someone who has not heard of it.</summary>
    public void BeginLeaving()
    {
        lock (gate)
        {
            if (Phase == WorkerPhase.Ready)
                (Phase, Reason) = (WorkerPhase.Leaving, ShuttingDown);
        }
    }

    /// <summary>Counts a request in; dispose the result when it ends.</summary>
    /// <exception cref="ApiException">503: not ready.</exception>
    public IDisposable Enter()
    {
        lock (gate)
        {
            if (Phase is not (WorkerPhase.Ready or WorkerPhase.Leaving))
                throw NotReady();
            Requests++;
            return new Visit(this);
        }
    }

    /// <summary>Takes no more requests; the task ends when the last running one has.</summary>
    public Task DrainAsync()
    {
        lock (gate)
        {
            if (Phase != WorkerPhase.Failed)
                (Phase, Reason) = (WorkerPhase.Draining, ShuttingDown);
            idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (Requests == 0)
                idle.TrySetResult();
            return idle.Task;
        }
    }

    public Task AbortAsync() => abort.CancelAsync();

    public void Dispose() => abort.Dispose();

    /// <summary>Lets through only while new requests should come here.</summary>
    /// <exception cref="ApiException">503: not ready, or leaving.</exception>
    public void Invite()
    {
        lock (gate)
        {
            if (Phase is WorkerPhase.Leaving or WorkerPhase.Draining)
                throw NotReady();
        }
    }

    private ApiException NotReady() => Phase is WorkerPhase.Leaving or WorkerPhase.Draining
        ? ApiException.ShuttingDown()
        : new ApiException(503, $"The server is not ready: {Reason}", code: "not_ready");

    private void Leave()
    {
        lock (gate)
        {
            Requests--;
            if (Requests == 0)
                idle?.TrySetResult();
        }
    }

    private sealed class Visit(WorkerState state) : IDisposable
    {
        private bool left;

        public void Dispose()
        {
            if (left)
                return;
            left = true;
            state.Leave();
        }
    }
}
