using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Backend;
using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Control;

/// <summary>The training sessions of this process. A restarted worker knows none: whoever wants one puts it again, and it resumes from its checkpoint.</summary>
internal sealed class TrainingRegistry(ServeOptions options, ModelStore store, ILogger log) : IDisposable
{
    /// <summary>Sessions at the same time that have not ended; each holds an optimizer's state. Of an ended one only its outcome is kept.</summary>
    public const int MaxSessions = 32;

    // Enough for the running step to end and its checkpoint to be written.
    private static readonly TimeSpan CheckpointGrace = TimeSpan.FromSeconds(8);

    private readonly TrainingDownloads downloads = new(store);
    private readonly SemaphoreSlim gate = new(1, 1);
    private volatile IReadOnlyDictionary<string, Session> sessions = new Dictionary<string, Session>();
    private IModelBackend? backend;
    private bool stopped;

    public void Attach(IModelBackend loaded) => Volatile.Write(ref backend, loaded);

    public IReadOnlyList<TrainingStatus> List() => [.. sessions.Select(s => s.Value.Status(s.Key)).OrderBy(s => s.Uid, StringComparer.Ordinal)];

    /// <exception cref="ApiException">404.</exception>
    public TrainingStatus Get(string uid) => sessions.TryGetValue(uid, out var session)
        ? session.Status(uid)
        : throw new ApiException(404, $"This worker knows no training session '{uid}'.", "uid", "training_not_found");

    /// <summary>Starts a session, or brings a known one to the asked state.</summary>
    /// <exception cref="ApiException">400: bad request; 409: known with another recipe, or too many; 503: not ready.</exception>
    public async Task<TrainingStatus> PutAsync(string uid, TrainingRequest request, CancellationToken cancellationToken)
    {
        // Before the gate: a download must not keep other sessions waiting.
        FetchedRequest? local = sessions.ContainsKey(uid) ? new FetchedRequest(request) : await downloads.FetchAsync(uid, request, cancellationToken);
        try
        {
            await gate.WaitAsync(cancellationToken);
            try
            {
                if (stopped)
                    throw ApiException.ShuttingDown();
                if (sessions.TryGetValue(uid, out var known))
                    return Update(uid, known, request);
                var status = Start(uid, request, local);
                local = null; // The session's from now on.
                return status;
            }
            finally
            {
                gate.Release();
            }
        }
        finally
        {
            local?.Dispose();
        }
    }

    /// <summary>Cancels and forgets a session; checkpoints stay.</summary>
    public async Task DeleteAsync(string uid, CancellationToken cancellationToken)
    {
        await downloads.DropAsync(uid);
        await gate.WaitAsync(cancellationToken);
        try
        {
            if (!sessions.TryGetValue(uid, out var session))
                return;
            await session.Run.StopAsync();
            sessions = sessions.Where(s => s.Key != uid).ToDictionary();
            Log.Training(log, uid, session.Job, "cancelled");
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Lets every session end its step and write a checkpoint, then ends it; new ones are refused from now on.</summary>
    public async Task StopAsync()
    {
        await downloads.StopAsync();
        await gate.WaitAsync(CancellationToken.None);
        try
        {
            stopped = true;
            foreach (var session in sessions.Values)
                session.Run.Suspend();
            using var deadline = new CancellationTokenSource(CheckpointGrace);
            while (sessions.Values.Any(s => s.Run.Progress.State is Engine.Training.TrainingState.Running) && !deadline.IsCancellationRequested)
                await Task.Delay(TimeSpan.FromMilliseconds(20), CancellationToken.None);
            foreach (var session in sessions.Values)
                await session.Run.StopAsync();
            sessions = new Dictionary<string, Session>();
        }
        finally
        {
            gate.Release();
        }
    }

    public void Dispose() => gate.Dispose();

    private TrainingStatus Start(string uid, TrainingRequest request, FetchedRequest local)
    {
        if (Volatile.Read(ref backend) is not { } model)
            throw new ApiException(503, "The server is not ready: the model is being loaded.", code: "not_ready");
        if (options.MaxFinetuneTokens == 0)
            throw new ApiException(409, "This worker keeps finetuning out (--max-finetune-tokens 0).", code: "finetuning_disabled");
        if (sessions.Values.Count(s => !s.Ended) >= MaxSessions)
            throw new ApiException(409, $"This worker has {MaxSessions} sessions that have not ended, as many as it takes; delete one.", code: "too_many_sessions");
        var run = model.StartTraining(RecipeReader.Read(local.Request, options.ServedName), request.Suspend, local);
        var session = new Session(request.Job, RecipeOf(request), run) { Suspended = request.Suspend };
        sessions = new Dictionary<string, Session>(sessions) { [uid] = session };
        Log.Training(log, uid, request.Job, request.Suspend ? "accepted, suspended" : "accepted");
        return session.Status(uid);
    }

    private TrainingStatus Update(string uid, Session session, TrainingRequest request)
    {
        if (session.Recipe != RecipeOf(request))
            throw new ApiException(409, $"Training session '{uid}' is known with another recipe; delete it first, or keep the recipe and change only 'suspend'.", code: "recipe_changed");
        if (session.Suspended != request.Suspend)
            Move(uid, session, request);
        return session.Status(uid);
    }

    private void Move(string uid, Session session, TrainingRequest request)
    {
        session.Suspended = request.Suspend;
        if (request.Suspend)
            session.Run.Suspend();
        else
            session.Run.Resume();
        Log.Training(log, uid, session.Job, request.Suspend ? "suspended" : "resumed");
    }

    // Records compare lists by reference, so the text stands for the recipe.
    private static string RecipeOf(TrainingRequest request) => JsonSerializer.Serialize(request with { Suspend = false }, ControlJson.Default.TrainingRequest);

    private sealed class Session(string job, string recipe, ITrainingRun run)
    {
        public string Job { get; } = job;

        public string Recipe { get; } = recipe;

        public ITrainingRun Run { get; } = run;

        public bool Suspended { get; set; }

        public bool Ended => Run.Progress.State is Engine.Training.TrainingState.Succeeded or Engine.Training.TrainingState.Failed;

        public TrainingStatus Status(string uid) => StatusWriter.Of(uid, Run.Progress);
    }
}
