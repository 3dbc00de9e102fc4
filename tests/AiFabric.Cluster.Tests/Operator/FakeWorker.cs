using System.Net;
using System.Text.Json.Serialization.Metadata;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Protocol.OpenAI;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace AiFabric.Cluster.Tests.Operator;

/// <summary>What all fake workers share, as real ones share a volume.</summary>
internal sealed class FakeDisk
{
    /// <summary>Newest checkpoint's step by checkpoint URI.</summary>
    public Dictionary<string, int> Checkpoints { get; } = [];

    /// <summary>Digest of what lies at an adapter's URI; what is not listed does not exist.</summary>
    public Dictionary<string, string> Adapters { get; } = [];
}

/// <summary>
/// A fake of the worker: no model, only the control protocol on loopback. Training advances by one step each time somebody asks for it.
/// </summary>
internal sealed class FakeWorker : IAsyncDisposable
{
    public const int TotalSteps = 20;

    private readonly Lock _lock = new();
    private readonly FakeDisk _disk;
    private readonly string _token;
    private readonly WebApplication _app;
    private readonly Dictionary<string, (TrainingRequest Request, TrainingStatus Status)> _sessions = [];
    private readonly Dictionary<string, string> _adapters = [];
    private readonly List<string> _calls = [];

    private FakeWorker(string ip, string token, FakeDisk disk)
    {
        (Ip, _token, _disk) = (ip, token, disk);
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Parse(ip), 8001));
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    public string Ip { get; }

    /// <summary>Steps at which training stands still until the test raises it.</summary>
    public static int HoldAt { get; set; } = int.MaxValue;

    /// <summary>Whether it takes no new session.</summary>
    public bool IsFull { get; set; }

    /// <summary>How a session ends at its next step; null: as usual.</summary>
    public TrainingError? NextError { get; set; }

    public IReadOnlyList<string> Calls
    {
        get
        {
            lock (_lock)
                return [.. _calls];
        }
    }

    public IReadOnlyDictionary<string, string> Adapters
    {
        get
        {
            lock (_lock)
                return new Dictionary<string, string>(_adapters);
        }
    }

    public IReadOnlyList<string> Sessions
    {
        get
        {
            lock (_lock)
                return [.. _sessions.Keys];
        }
    }

    public static async Task<FakeWorker> StartAsync(string ip, string token, FakeDisk disk)
    {
        var worker = new FakeWorker(ip, token, disk);
        await worker._app.StartAsync();
        return worker;
    }

    /// <summary>Puts a session here as if an earlier operator had.</summary>
    public void Plant(string uid, string adapter)
    {
        lock (_lock)
        {
            _adapters[adapter] = "sha256:" + new string('0', 64);
            var request = new TrainingRequest { Job = "old", Dataset = new() { Uri = "file:///x" }, CheckpointUri = "file:///c", OutputUri = "file:///o" };
            _sessions[uid] = (request, new TrainingStatus { Uid = uid, State = TrainingState.Suspended });
        }
    }

    /// <summary>The process dies and comes back: all but the disk is gone.</summary>
    public void Crash()
    {
        lock (_lock)
        {
            _sessions.Clear();
            _adapters.Clear();
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private Task AnswerAsync(HttpContext context)
    {
        if (context.Request.Headers.Authorization != $"Bearer {_token}")
            return ErrorAsync(context, 401, "invalid_token", "no");
        return RouteAsync(context);
    }

    private async Task RouteAsync(HttpContext context)
    {
        string[] path = context.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        string name = path.ElementAtOrDefault(2) ?? string.Empty;
        TrainingRequest? training = null;
        AdapterRequest? adapter = null;
        if (context.Request.Method == "PUT" && path[1] == "training")
            training = await context.Request.ReadFromJsonAsync(ControlJson.Default.TrainingRequest);
        if (context.Request.Method == "PUT" && path[1] == "adapters")
            adapter = await context.Request.ReadFromJsonAsync(ControlJson.Default.AdapterRequest);
        Func<HttpContext, Task> answer;
        lock (_lock)
        {
            if (context.Request.Method != "GET")
                _calls.Add($"{context.Request.Method} {path[1]}/{name}{(training?.Suspend == true ? " suspend" : string.Empty)}{EndNeedsLock(name)}");
            answer = (context.Request.Method, path[1]) switch
            {
                ("GET", "load") => Ok(LoadNeedsLock(), ControlJson.Default.LoadReport),
                ("GET", "adapters") => Ok(ListNeedsLock(), ControlJson.Default.AdapterList),
                ("PUT", "adapters") => LoadAdapterNeedsLock(name, adapter!),
                ("DELETE", "adapters") => Gone(_adapters.Remove(name)),
                ("PUT", "training") => StartNeedsLock(name, training!),
                ("GET", "training") => _sessions.ContainsKey(name)
                    ? Ok(StepNeedsLock(name), ControlJson.Default.TrainingStatus)
                    : c => ErrorAsync(c, 404, "training_not_found", "none"),
                ("DELETE", "training") => Gone(_sessions.Remove(name)),
                _ => c => ErrorAsync(c, 404, "unknown_url", "none"),
            };
        }
        await answer(context);
    }

    /// <summary>Said of calls about a session that ended.</summary>
    private string EndNeedsLock(string uid) =>
        _sessions.TryGetValue(uid, out (TrainingRequest Request, TrainingStatus Status) known) && known.Status.State > TrainingState.Suspended ? " ended" : string.Empty;

    private LoadReport LoadNeedsLock() => new()
    {
        Model = "demo",
        ModelDigest = "sha256:" + new string('1', 64),
        Adapters = [.. _adapters.Keys],
        Training = [.. _sessions.Values.Select(session => session.Status)],
    };

    private AdapterList ListNeedsLock() => new()
    {
        Adapters = [.. _adapters.Select(adapter => new AdapterStatus { Name = adapter.Key, Digest = adapter.Value, Rank = 8 })],
    };

    private Func<HttpContext, Task> LoadAdapterNeedsLock(string name, AdapterRequest request)
    {
        if (!_disk.Adapters.TryGetValue(request.Uri, out string? digest))
            return c => ErrorAsync(c, 400, "adapter_invalid", $"no adapter_config.json in {request.Uri}");
        if (request.Digest is not null && request.Digest != digest)
            return c => ErrorAsync(c, 409, "digest_mismatch", "another content");
        _adapters[name] = digest;
        return Ok(new AdapterStatus { Name = name, Digest = digest, Rank = 8 }, ControlJson.Default.AdapterStatus);
    }

    private Func<HttpContext, Task> StartNeedsLock(string uid, TrainingRequest request)
    {
        if (_sessions.TryGetValue(uid, out (TrainingRequest Request, TrainingStatus Status) known))
        {
            if (known.Request.CheckpointIntervalSteps != request.CheckpointIntervalSteps)
                return c => ErrorAsync(c, 409, "recipe_changed", "known with another recipe");
            TrainingState state = request.Suspend ? TrainingState.Suspended : TrainingState.Running;
            _sessions[uid] = (request, known.Status with { State = known.Status.State <= TrainingState.Suspended ? state : known.Status.State });
        }
        else if (IsFull)
        {
            return c => ErrorAsync(c, 409, "too_many_sessions", "as many sessions as it takes");
        }
        else
        {
            int step = _disk.Checkpoints.GetValueOrDefault(request.CheckpointUri);
            _sessions[uid] = (request, new TrainingStatus
            {
                Uid = uid,
                State = request.Suspend ? TrainingState.Suspended : TrainingState.Running,
                Step = step,
                CheckpointStep = step,
                TotalSteps = TotalSteps,
            });
        }
        return Ok(_sessions[uid].Status, ControlJson.Default.TrainingStatus);
    }

    private TrainingStatus StepNeedsLock(string uid)
    {
        (TrainingRequest request, TrainingStatus status) = _sessions[uid];
        if (status.State != TrainingState.Running || status.Step >= HoldAt)
            return status;
        if (NextError is { } error)
        {
            NextError = null;
            status = status with { State = TrainingState.Failed, Error = error };
        }
        else
        {
            int step = status.Step + 1;
            if (step % request.CheckpointIntervalSteps == 0)
                _disk.Checkpoints[request.CheckpointUri] = step;
            status = status with { Step = step, Tokens = step * 100, Loss = 3.0 - (step * 0.1), TokensPerSecond = 100 };
            if (step >= TotalSteps)
            {
                string digest = "sha256:" + new string('d', 64);
                _disk.Adapters[request.OutputUri] = digest;
                status = status with { State = TrainingState.Succeeded, AdapterUri = request.OutputUri, AdapterDigest = digest };
            }
        }
        _sessions[uid] = (request, status);
        return status;
    }

    private static Func<HttpContext, Task> Ok<T>(T body, JsonTypeInfo<T> type) => context => context.Response.WriteAsJsonAsync(body, type);

    private static Func<HttpContext, Task> Gone(bool _) => context =>
    {
        context.Response.StatusCode = 204;
        return Task.CompletedTask;
    };

    private static Task ErrorAsync(HttpContext context, int status, string code, string message)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(
            new ErrorResponse { Error = new ErrorBody { Message = message, Type = "invalid_request_error", Code = code } }, OpenAIJson.Default.ErrorResponse);
    }
}
