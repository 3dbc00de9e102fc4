using System.Diagnostics.CodeAnalysis;
using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Limits;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Traffic;

/// <summary>A request of which a copy may be made.</summary>
/// <param name="Model">The model that the client named.</param>
/// <param name="Path">The endpoint.</param>
/// <param name="Body">The body.</param>
/// <param name="Tenant">Whose it is: the copy must not share cached prompts with others either.</param>
/// <param name="Session">Names the client's session; null without one.</param>
public sealed record MirrorAsk(ModelKey Model, string Path, RequestBody Body, string? Tenant, ulong? Session);

/// <summary>
/// Sends copies of requests to the mirrors of their models, beside the requests and on their own: (1) a copy is drawn for; (2) beyond the bound it is dropped; (3) it gets one attempt
/// at one worker, told that it is a copy; (4) the answer is read to its end and dropped; (5) a copy that takes too long is cancelled, and all are when the gateway stops.
/// </summary>
public sealed class Mirrors : IHostedService, IDisposable
{
    private readonly RouteKeeper _routes;
    private readonly TrafficDraw _draw;
    private readonly DemandBook _demand;
    private readonly TimeProvider _time;
    private readonly ILogger<Mirrors> _log;
    private readonly GatewayOptions _options;
    private readonly SemaphoreSlim _places;
    private readonly CancellationToken _stop;
    private readonly HttpClient _http;

    private uint _turn;

    public Mirrors(
        RouteKeeper routes, TrafficDraw draw, DemandBook demand, IOptions<GatewayOptions> options, TimeProvider time, IHostApplicationLifetime lifetime, ILogger<Mirrors> log)
    {
        // Not StopAsync: that comes when clients' requests have ended, and copies must not outlast their gateway's decision to stop.
        (_routes, _draw, _demand, _options, _time, _stop, _log) = (routes, draw, demand, options.Value, time, lifetime.ApplicationStopping, log);
        _places = new SemaphoreSlim(_options.MirrorsConcurrent);
        SocketsHttpHandler handler = WorkerConnections.Handler();
        handler.ResponseDrainTimeout = TimeSpan.Zero;
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Copies a request, if its model has a mirror and the draw says so. Returns at once, whatever becomes of the copy.</summary>
    public void Offer(MirrorAsk ask)
    {
        RoutingTable table = _routes.Table;
        if (!table.Declared.TryGetValue(ask.Model, out DeclaredModel? declared) || declared.Mirror is not { } mirror
            || !_draw.Takes(mirror, ask.Model, isMirror: true, ask.Session))
        {
            return;
        }
        var copy = new MirrorCopy(ask, declared.ServedName, mirror);
        if (table.Of(mirror.Model, mirror.Adapter) is not RouteChoice.To to)
        {
            if (table.Models.Contains(mirror.Model))
                _demand.Count(mirror.Model).Dispose(); // Asked for just now: that wakes it, if it sleeps.
            copy.End(MirrorEnd.NotReady);
        }
        else if (_stop.IsCancellationRequested || !_places.Wait(0))
        {
            copy.End(MirrorEnd.Dropped);
        }
        else
        {
            _ = Task.Run(() => SendAsync(copy, to.Workers), CancellationToken.None);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Ends when no copy is left: all were cancelled when the gateway began to stop.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        int taken = 0;
        try
        {
            for (; taken < _options.MirrorsConcurrent; taken++)
                await _places.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Who stops the gateway waits no longer.
        }
        finally
        {
            if (taken > 0)
                _places.Release(taken); // It may be stopped twice.
        }
    }

    public void Dispose()
    {
        _places.Dispose();
        _http.Dispose();
    }

    [SuppressMessage("Design", "CA1031", Justification = "The top of a task. It logs the exception.")]
    private async Task SendAsync(MirrorCopy copy, IReadOnlyList<WorkerEndpoint> workers)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(_options.MirrorSeconds), _time);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _stop);
        using IDisposable counted = _demand.Count(copy.Mirror.Model); // It is work for the mirror's replicas, whoever asks.
        long began = _time.GetTimestamp();
        MirrorEnd end = MirrorEnd.Lost;
        GatewayMetrics.MirrorsInFlight.Inc();
        try
        {
            end = await AskAsync(copy, workers, began, ends.Token);
        }
        catch (OperationCanceledException)
        {
            end = _stop.IsCancellationRequested ? MirrorEnd.Stopped : MirrorEnd.TimedOut;
        }
        catch (Exception e)
        {
            Log.MirrorLost(_log, copy.Mirror.Target, e);
        }
        finally
        {
            GatewayMetrics.MirrorsInFlight.Dec();
            GatewayMetrics.MirrorDuration.WithLabels(copy.Model, copy.Mirror.Target).Observe(_time.GetElapsedTime(began).TotalSeconds);
            copy.End(end);
            _places.Release();
        }
    }

    private async Task<MirrorEnd> AskAsync(MirrorCopy copy, IReadOnlyList<WorkerEndpoint> workers, long began, CancellationToken cancellationToken)
    {
        (MirrorAsk ask, TrafficShare mirror) = (copy.Ask, copy.Mirror);
        bool generates = ask.Path.EndsWith("/completions", StringComparison.OrdinalIgnoreCase);
        var route = RouteAsk.Of(_routes.Table, mirror.Model, mirror.Adapter, generates ? ask.Body : null, ask.Tenant, ask.Session, Interlocked.Increment(ref _turn));
        WorkerEndpoint worker = RoutingTable.Pick(workers, [], route.Query, route.Prompt)!; // There is one, and none was tried.
        using HttpRequestMessage request = WorkerRequest.Post(worker, ask.Path, ask.Body.WithModel(worker.Pod.NameOf(mirror.Adapter)), ask.Tenant, route.Prompt);
        request.Headers.Add(WorkerHeaders.Mirrored, "true");
        using var counted = worker.Begin(route.Prompt);
        using HttpResponseMessage answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        GatewayMetrics.MirrorFirstByte.WithLabels(copy.Model, mirror.Target).Observe(_time.GetElapsedTime(began).TotalSeconds);
        await using var rest = new TailStream(Stream.Null);
        await answer.Content.CopyToAsync(rest, cancellationToken);
        if (!answer.IsSuccessStatusCode)
            return MirrorEnd.Refused;
        bool isStream = answer.Content.Headers.ContentType?.MediaType == "text/event-stream";
        return isStream && !rest.Tail.EndsWith("data: [DONE]\n\n"u8) ? MirrorEnd.Lost : MirrorEnd.Answered;
    }

    /// <summary>A copy that was drawn.</summary>
    private sealed record MirrorCopy(MirrorAsk Ask, string Model, TrafficShare Mirror)
    {
        public void End(MirrorEnd end) => GatewayMetrics.Mirrored.WithLabels(Model, Mirror.Target, end.ToString()).Inc();
    }
}

/// <summary>What became of a copy.</summary>
public enum MirrorEnd
{
    Answered,

    /// <summary>The worker answered with an error.</summary>
    Refused,

    /// <summary>The worker could not be reached, or its answer broke off.</summary>
    Lost,

    TimedOut,

    /// <summary>The gateway stopped.</summary>
    Stopped,

    /// <summary>Too many were under way already: it was not sent.</summary>
    Dropped,

    /// <summary>The mirror had no worker: it was not sent.</summary>
    NotReady,
}
