using System.Diagnostics;
using System.Globalization;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Holding;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Limits;
using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Shutdown;
using AiFabric.Protocol.Gateway;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Forwarder;

namespace AiFabric.Gateway.Streaming;

/// <summary>
/// One completion request: (1) read the body and find the model, (2) pick a worker, waiting while there is none, (3) send, copying events as they come,
/// (4) before the first byte, a failed worker is replaced by another; after it, the stream ends with an error event.
/// </summary>
public sealed class CompletionForwarder(
    IHttpForwarder forwarder, RouteKeeper routes, WaitingRoom waiting, DemandBook demand, PipelineCatalog pipelines, PipelineEndpoint pipelineEndpoint, LimitKeeper limits, Drain drain, IOptions<GatewayOptions> options, TimeProvider time,
    ILogger<CompletionForwarder> log) : IDisposable
{
    private readonly HttpMessageInvoker _http = new(new HeldBodyHandler(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = System.Net.DecompressionMethods.None,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        ActivityHeadersPropagator = new ReverseProxyPropagator(DistributedContextPropagator.Current),
    }));

    /// <summary>A client's name for its session: requests that bear the same go to the same worker, unless it has more than its share.</summary>
    public const string SessionHeader = "X-Session-Id";

    private uint _turn;

    private TimeSpan Idle => TimeSpan.FromSeconds(options.Value.IdleTimeoutSeconds);

    public async Task HandleAsync(HttpContext context)
    {
        long arrived = time.GetTimestamp();
        string model = "unknown";
        context.Response.OnStarting(() =>
        {
            GatewayMetrics.FirstByte.Observe(time.GetElapsedTime(arrived).TotalSeconds);
            return Task.CompletedTask;
        });
        GatewayMetrics.InFlight.Inc();
        try
        {
            (RequestBody? body, OpenAIError? error) = await RequestBody.ReadAsync(context.Request, options.Value.MaxBodyBytes, context.RequestAborted);
            Spending? spending = null;
            if (body is not null)
                (spending, error) = limits.Admit(context, body.Prompt.Length);
            if (body is not null && error is null)
                (model, error) = await RouteAsync(context, body, spending);
            if (error is not null)
                await error.WriteAsync(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            GatewayMetrics.ClientsGone.Inc();
        }
        finally
        {
            GatewayMetrics.InFlight.Dec();
            GatewayMetrics.Duration.Observe(time.GetElapsedTime(arrived).TotalSeconds);
            GatewayMetrics.Requests.WithLabels(model, context.Response.StatusCode.ToString(CultureInfo.InvariantCulture)).Inc();
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<(string Model, OpenAIError? Error)> RouteAsync(HttpContext context, RequestBody body, Spending? spending)
    {
        ModelName name = ModelName.Parse(body.Model);
        if (routes.Table.Find(name) is RouteChoice.UnknownModel && pipelines.Find(name) is { Count: > 0 } named)
        {
            return named.Count == 1
                ? (name.Name, await pipelineEndpoint.AnswerAsync(context, body, named[0], spending))
                : ("unknown", Ambiguous(name, named.Select(pipeline => $"{pipeline.Key.Namespace}/{pipeline.Key.Name}")));
        }
        using IDisposable? counted = routes.Table.Find(name).Wanted is { } key ? demand.Count(key) : null;
        (RouteChoice? choice, OpenAIError? refusal) = await waiting.AdmitAsync(name, body.Length, context.RequestAborted);
        switch (choice)
        {
            case RouteChoice.To to:
                return (to.Workers[0].Pod.ServedName, await SendAsync(Read(context, body, name, to.Workers[0].Pod.Model, spending), to.Workers));
            case RouteChoice.Stopped:
                return (name.Name, OpenAIError.Stopped(body.Model));
            case RouteChoice.UnknownAdapter unknown:
                return ("unknown", OpenAIError.NotFound(
                    $"The model '{name.Name}' has no adapter '{unknown.Adapter}'. GET /v1/models lists those it has.", "model_not_found", "model"));
            case RouteChoice.Ambiguous ambiguous:
                return ("unknown", Ambiguous(name, ambiguous.Candidates));
            default:
                return refusal is null ? ("unknown", OpenAIError.ModelNotFound(body.Model)) : (name.Name, refusal);
        }
    }

    private static OpenAIError Ambiguous(ModelName name, IEnumerable<string> candidates) => OpenAIError.Invalid(
        $"Several models are served as '{name.Name}'; ask for one of {string.Join(", ", candidates)}.", "model", "model_ambiguous");

    private async Task<OpenAIError?> SendAsync(Asked asked, IReadOnlyList<WorkerEndpoint> workers)
    {
        var tried = new HashSet<string>(StringComparer.Ordinal);
        for (int attempt = 1; attempt <= options.Value.Attempts; attempt++)
        {
            if (drain.Cut.IsCancellationRequested || RoutingTable.Pick(workers, tried, asked.Query, asked.Prompt) is not { } worker)
                break;
            if (attempt > 1)
                GatewayMetrics.Retries.Inc();
            tried.Add(worker.Pod.Uid);
            bool isLast = attempt == options.Value.Attempts;
            if (await TryAsync(asked, worker, attempt, () => !isLast && Workers(asked.Name).Any(other => !tried.Contains(other.Pod.Uid))))
                return null;
            // The table tells soon who else is affected, and new requests need not find out one by one.
            routes.Wake();
            workers = Workers(asked.Name);
        }

        return drain.Cut.IsCancellationRequested ? OpenAIError.ShuttingDown() : OpenAIError.WorkersFailed(asked.Name.Text);
    }

    /// <summary>What the choice of a worker depends on. Embeddings leave nothing in a cache.</summary>
    private Asked Read(HttpContext context, RequestBody body, ModelName name, ModelKey model, Spending? spending)
    {
        bool generates = context.Request.Path.Value?.EndsWith("/completions", StringComparison.OrdinalIgnoreCase) == true;
        var ask = RouteAsk.Of(
            routes.Table, model, name.Adapter, generates ? body : null, context.Features.Get<Tenant>()?.Id, context.Request.Headers[SessionHeader].ToString(),
            Interlocked.Increment(ref _turn));
        return new Asked(context, body, name, ask.Query, ask.Prompt, spending);
    }

    /// <summary>Who serves the model now.</summary>
    private IReadOnlyList<WorkerEndpoint> Workers(ModelName name) => routes.Table.Find(name) is RouteChoice.To to ? to.Workers : [];

    /// <returns>False when the worker failed before the first byte, so that another may be tried.</returns>
    private async Task<bool> TryAsync(Asked asked, WorkerEndpoint worker, int number, Func<bool> another)
    {
        HttpContext context = asked.Context;
        ReadOnlyMemory<byte> json = asked.Body.WithModel(asked.Name.Adapter is { } adapter ? $"{worker.Pod.ServedName}:{adapter}" : worker.Pod.ServedName);
        context.Request.ContentLength = json.Length;
        if (number > 1)
            context.Response.Clear(); // a failed attempt leaves its status, and the forwarder refuses a response that has one

        var attempt = new Attempt { Body = json, Prompt = asked.Prompt, Spending = asked.Spending };
        worker.InFlight.Begin();
        worker.View.Expect(asked.Prompt);
        try
        {
            ForwarderError error = await forwarder.SendAsync(
                context, worker.Pod.Address.ToString(), _http, new ForwarderRequestConfig { ActivityTimeout = Idle },
                new WorkerTransformer(attempt, another, Idle, drain.Cut), drain.Cut);
            attempt.Settle();
            return Judge(context, worker, attempt, error, number);
        }
        finally
        {
            worker.View.Ended(asked.Prompt);
            worker.InFlight.End();
        }
    }

    private bool Judge(HttpContext context, WorkerEndpoint worker, Attempt attempt, ForwarderError error, int number)
    {
        if (attempt.Stream == StreamEnd.WorkerLost)
        {
            GatewayMetrics.StreamsLost.Inc();
            Log.StreamLost(log, worker.Pod.Name, attempt.Cause);
        }

        if (attempt.Stream == StreamEnd.ClientGone || context.RequestAborted.IsCancellationRequested)
        {
            GatewayMetrics.ClientsGone.Inc();
            return true;
        }

        bool neverBegan = attempt.Stream == StreamEnd.NeverBegan;
        if (context.Response.HasStarted || (error == ForwarderError.None && !attempt.Refused && !neverBegan))
            return true;
        Log.AttemptFailed(log, worker.Pod.Name, attempt.Refused ? "refused" : neverBegan ? "no event" : error.ToString(), number);
        return false;
    }

    /// <summary>A request that a worker is to answer.</summary>
    /// <param name="Context">The client's request and answer.</param>
    /// <param name="Body">The body.</param>
    /// <param name="Name">What the client calls the model.</param>
    /// <param name="Query">What the choice of a worker depends on.</param>
    /// <param name="Prompt">The prompt's beginnings; null where no cache matters.</param>
    /// <param name="Spending">What it spends of its tenant's budget; null without limits.</param>
    private sealed record Asked(HttpContext Context, RequestBody Body, ModelName Name, RouteQuery Query, PromptPieces? Prompt, Spending? Spending);
}
