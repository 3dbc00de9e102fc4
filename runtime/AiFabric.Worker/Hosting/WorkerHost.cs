using System.Net;
using System.Net.Sockets;
using AiFabric.Telemetry;
using AiFabric.Worker.Backend;
using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Control;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Serving;
using AiFabric.Worker.Storage;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace AiFabric.Worker.Hosting;

/// <summary>Loads the model that the options name.</summary>
internal delegate Task<IModelBackend> ModelLoader(ServeOptions options, TimeProvider time, ILoggerFactory logs, CancellationToken cancellationToken);

/// <summary>One worker: the serving port, the control port and the model behind them. The ports answer before the model is loaded.</summary>
internal sealed class WorkerHost : IAsyncDisposable
{
    private const int BytesOnTheWay = 16 << 10;

    private readonly ServeOptions options;
    private readonly IPAddress address;
    private readonly WorkerState state;
    private readonly ILoggerFactory logs = CreateLogs();
    private readonly WebApplication serving;
    private readonly WebApplication control;
    private readonly TrainingRegistry training;
    private readonly ModelStore store;
    private readonly LoadingProgress progress = new();
    private readonly ILogger log;
    private readonly CancellationTokenSource stopLoading = new();
    private readonly TimeProvider time;
    private long? leavingSince;
    private bool stopped;

    private WorkerHost(ServeOptions options, ModelLoader loader, TimeProvider time)
    {
        (this.options, this.time) = (options, time);
        address = AddressOf(options.Host);
        var token = ControlToken.Read(options.ControlTokenFile, options.ControlToken);
        state = new WorkerState();
        log = logs.CreateLogger("AiFabric.Worker");
        store = new ModelStore(new ModelStoreOptions(options.ModelCache, options.ModelCacheBytes, options.DownloadRetry), options.Environment, time, log);
        training = new TrainingRegistry(options, store, log);
        Metrics = new WorkerMetrics(options.ServedName, options.TtftObjective);
        // Before the servers, so that the files are read while those are made.
        Loaded = Task.Run(() => LoadAsync(loader), CancellationToken.None);
        serving = BuildServing();
        control = BuildControl(token);
    }

    public WorkerMetrics Metrics { get; }

    public WorkerState State => state;

    public Uri ServingAddress => new(serving.Urls.First());

    public Uri ControlAddress => new(control.Urls.First());

    /// <summary>Ends when the model is ready; fails with what loading failed with.</summary>
    public Task Loaded { get; }

    /// <summary>Opens both ports and begins to load.</summary>
    /// <exception cref="UsageException">The token file cannot be read, or a port is taken.</exception>
    public static async Task<WorkerHost> StartAsync(ServeOptions options, ModelLoader loader, TimeProvider time, CancellationToken cancellationToken)
    {
        var host = new WorkerHost(options, loader, time);
        try
        {
            await host.serving.StartAsync(cancellationToken);
            await host.control.StartAsync(cancellationToken);
        }
        catch (IOException e)
        {
            await host.DisposeAsync();
            throw new UsageException($"Cannot listen on {options.Host}: {e.Message}");
        }
        Log.Started(host.log, options.ServedName, host.serving.Urls.First(), host.control.Urls.First(), StorageUri.WithoutQuery(options.Model));
        if (options is { ControlTokenFile: null, ControlToken: null } && options.Host is not ("127.0.0.1" or "localhost" or "::1"))
            Log.ControlOpen(host.log);
        return host;
    }

    /// <summary>
    /// Says that it leaves, and still takes requests for <see cref="ServeOptions.Linger"/>: whoever routes to it needs that long to hear of it.
    /// Training writes its checkpoint at once, for another worker to go on from.
    /// </summary>
    /// <param name="hurry">Ends the wait.</param>
    public async Task LingerAsync(CancellationToken hurry)
    {
        leavingSince = time.GetTimestamp();
        state.BeginLeaving();
        Task checkpoints = training.StopAsync();
        if (state.Phase == WorkerPhase.Leaving)
            await Task.Delay(options.Linger, time, hurry).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await checkpoints;
    }

    /// <summary>Ends in order: no new requests; running ones finish, or are ended with an error after the drain time; training checkpoints; ports close.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (stopped)
            return;
        stopped = true;
        await stopLoading.CancelAsync();
        var idle = state.DrainAsync();
        if (!idle.IsCompleted)
        {
            TimeSpan left = options.DrainTimeout - (leavingSince is { } since ? time.GetElapsedTime(since) : TimeSpan.Zero);
            Log.Draining(log, state.Requests, left.TotalSeconds);
            await Task.WhenAny(idle, Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, time, cancellationToken));
        }
        if (!idle.IsCompleted)
            Log.DrainOver(log, state.Requests);
        await state.AbortAsync();
        await idle.WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await training.StopAsync();
        await serving.StopAsync(CancellationToken.None);
        await control.StopAsync(CancellationToken.None);
        await Loaded.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (state.TryGetModel(out var model))
            await model.Backend.DisposeAsync();
        Log.Stopped(log);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None);
        await serving.DisposeAsync();
        await control.DisposeAsync();
        training.Dispose();
        store.Dispose();
        stopLoading.Dispose();
        state.Dispose();
        logs.Dispose();
    }

    private static ILoggerFactory CreateLogs() => LoggerFactory.Create(logging => logging
        .AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.IncludeScopes = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            console.ColorBehavior = Microsoft.Extensions.Logging.Console.LoggerColorBehavior.Disabled;
        })
        .AddFilter("Microsoft", LogLevel.Warning)
        .Configure(tracking => tracking.ActivityTrackingOptions = ActivityTrackingOptions.TraceId));

    private async Task LoadAsync(ModelLoader loader)
    {
        long start = time.GetTimestamp();
        IModelBackend? backend = null;
        try
        {
            var local = StorageUri.IsRemote(options.Model)
                ? options with { Model = StorageUri.FromPath(await store.DownloadModelAsync(options.Model, options.Revision, progress, stopLoading.Token)) }
                : options;
            backend = await loader(local, time, logs, stopLoading.Token);
            var model = new ServedModel(options.ServedName, backend, time);
            Metrics.Attach(backend.Metrics);
            await WarmUp.RunAsync(backend, stopLoading.Token);
            training.Attach(backend);
            state.SetReady(model);
            backend = null;
            _ = WatchAsync(model.Backend);
            Log.Ready(log, time.GetElapsedTime(start).TotalSeconds, model.Backend.MaxContextTokens);
        }
        catch (Exception e) when (WorkerCommand.IsBadInput(e))
        {
            state.SetFailed(e);
            Log.LoadRefused(log, state.Reason);
            throw;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            state.SetFailed(e);
            Log.LoadFailed(log, e);
            throw;
        }
        finally
        {
            if (backend is not null)
                await backend.DisposeAsync();
        }
    }

    // Whoever outlives its engine refuses every request for ever.
    private async Task WatchAsync(IModelBackend backend)
    {
        if (await backend.Completion is { } cause)
            state.SetFailed(new InvalidOperationException($"the engine died: {cause.Message}", cause));
    }

    private WebApplication BuildServing()
    {
        var builder = CreateBuilder(options.Port, options.MaxBodyBytes);
        AddTracing(builder);
        builder.Services.AddSingleton(state).AddSingleton(Metrics).AddSingleton(time).AddSingleton<CompletionHandler>()
            .AddSingleton<EmbeddingHandler>().AddSingleton<TokenHandler>();
        var app = builder.Build();
        Use(app, "serving");
        ServingEndpoints.Map(app, state, Metrics);
        return app;
    }

    private static void AddTracing(WebApplicationBuilder builder)
    {
        try
        {
            builder.AddTracing("aifabric-worker", CompletionHandler.Source.Name);
        }
        catch (InvalidOperationException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private WebApplication BuildControl(ControlToken token)
    {
        var app = CreateBuilder(options.ControlPort, options.MaxBodyBytes).Build();
        Use(app, "control");
        app.Use(token.GuardAsync);
        ControlEndpoints.Map(app, new LoadReporter(options.ServedName, state, progress, training), training, new AdapterControl(state, store, log));
        return app;
    }

    private WebApplicationBuilder CreateBuilder(int port, int maxBodyBytes)
    {
        // Empty: options come from the command line alone, so no settings file is looked for, or watched.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton<IHostLifetime, SilentLifetime>().AddSingleton(logs);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => Configure(kestrel, port, maxBodyBytes));
        // A token goes out on the thread that wrote it: waking another one for each takes cores from the engine. Handlers never block.
        builder.WebHost.UseSockets(sockets =>
        {
            sockets.UnsafePreferInlineScheduling = true;
            sockets.CreateBoundListenSocket = Listen;
            sockets.MaxWriteBufferSize = BytesOnTheWay;
        });
        return builder;
    }

    /// <summary>
    /// Connections keep few tokens on their way to a client that does not read: else thousands lie in sockets before the engine learns of it. So many bytes still let a connection of 1 ms
    /// carry 16 MB a second.
    /// </summary>
    private static Socket Listen(EndPoint endpoint)
    {
        Socket socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        socket.SendBufferSize = BytesOnTheWay; // Linux passes it on to the connections that are accepted.
        return socket;
    }

    private void Configure(KestrelServerOptions kestrel, int port, int maxBodyBytes)
    {
        kestrel.AddServerHeader = false;
        // A pipeline's stage may have no room for minutes. The gateway says how long it waits, and cuts off clients of its own that do not read.
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestBodySize = maxBodyBytes;
        kestrel.Limits.MaxRequestHeadersTotalSize = 32 << 10;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(30);
        kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(3);
        kestrel.Listen(address, port);
    }

    private static IPAddress AddressOf(string host)
    {
        if (host == "localhost")
            return IPAddress.Loopback;
        return IPAddress.TryParse(host, out var address) ? address : throw new UsageException($"--host is '{host}'; it must be an IP address or 'localhost'.");
    }

    private void Use(WebApplication app, string port)
    {
        app.Use(async (context, next) =>
        {
            await next(context);
            Metrics.HttpRequest(port, context.Response.StatusCode);
        });
        app.UseMiddleware<ErrorMiddleware>();
        app.Use((context, next) => BodyLimit.GuardAsync(context, next, options.MaxBodyBytes));
    }

    /// <summary>Leaves signals and console messages to the process.</summary>
    private sealed class SilentLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
