using System.Globalization;
using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Holding;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Limits;
using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Shutdown;
using AiFabric.Gateway.Traffic;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Streaming;

/// <summary>
/// One completion request: (1) read the body and find the model, (2) draw for its canary and mirror, (3) pick a worker, waiting while there is none, (4) send, copying events as they come,
/// (5) before the first byte, a failed worker is replaced by another; after it, the stream ends with an error event.
/// </summary>
public sealed class CompletionForwarder(
    Relay relay, RouteKeeper routes, WaitingRoom waiting, DemandBook demand, PipelineCatalog pipelines, PipelineEndpoint pipelineEndpoint, LimitKeeper limits, Canaries canaries, Mirrors mirrors, Drain drain, IOptions<GatewayOptions> options, TimeProvider time,
    ILogger<CompletionForwarder> log)
{
    /// <summary>
    /// A client's name for its session: requests that bear the same go to the same worker, unless it has more than its share, and to the same side of their
    /// model's canary.
    /// </summary>
    public const string SessionHeader = "X-Session-Id";

    private uint _turn;

    public async Task HandleAsync(HttpContext context)
    {
        long arrived = time.GetTimestamp();
        var visit = new Visit();
        context.Response.OnStarting(() =>
        {
            visit.FirstByte(time.GetElapsedTime(arrived));
            return Task.CompletedTask;
        });
        GatewayMetrics.InFlight.Inc();
        try
        {
            (RequestBody? body, OpenAIError? error) = await RequestBody.ReadAsync(context.Request, options.Value.MaxBodyBytes, context.RequestAborted);
            Spending? spending = null;
            if (body is not null)
                (spending, error) = limits.Admit(context, body.TextBytes);
            if (body is not null && error is null)
                error = await RouteAsync(context, body, spending, visit);
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
            visit.End(context.Response.StatusCode.ToString(CultureInfo.InvariantCulture));
        }
    }

    private async Task<OpenAIError?> RouteAsync(HttpContext context, RequestBody body, Spending? spending, Visit visit)
    {
        ModelName name = ModelName.Parse(body.Model);
        RoutingTable table = routes.Table;
        RouteChoice found = table.Find(name);
        if (found is RouteChoice.UnknownModel && pipelines.Find(name) is { Count: > 0 } named)
        {
            if (named.Count > 1)
                return Ambiguous(name, named.Select(pipeline => $"{pipeline.Key.Namespace}/{pipeline.Key.Name}"));
            visit.Model = name.Name;
            return await pipelineEndpoint.AnswerAsync(context, body, named[0], spending);
        }
        var asked = new Asked(context, body, spending, visit);
        if (found.Named is { } key && name.Adapter is null && asked.IsForModel)
        {
            visit.Model = table.ServedName(key);
            (visit.Canary, IReadOnlyList<WorkerEndpoint>? workers) = canaries.Choose(table, key, asked.Session);
            if (workers is not null)
                return await AskCanaryAsync(asked, key, visit.Canary!, workers); // It has workers, so it is one.
        }
        using IDisposable? counted = found.Wanted is { } wanted ? demand.Count(wanted) : null;
        (RouteChoice? choice, OpenAIError? refusal) = await waiting.AdmitAsync(name, body.Length, context.RequestAborted);
        return choice is RouteChoice.To to
            ? await AskAsync(asked, name, to)
            : Refusal(name, choice, refusal, visit);
    }

    private Task<OpenAIError?> AskAsync(Asked asked, ModelName name, RouteChoice.To to)
    {
        ModelKey model = to.Workers[0].Pod.Model;
        asked.Visit.Model = to.Workers[0].Pod.ServedName;
        if (name.Adapter is null && asked.IsForModel)
            mirrors.Offer(asked.ToMirror(model));
        return SendAsync(asked, Read(asked, model, name.Adapter), to.Workers, instead: null);
    }

    private async Task<OpenAIError?> AskCanaryAsync(Asked asked, ModelKey model, TrafficShare canary, IReadOnlyList<WorkerEndpoint> workers)
    {
        using IDisposable counted = demand.Count(canary.Model);
        mirrors.Offer(asked.ToMirror(model));
        return await SendAsync(asked, Read(asked, canary.Model, canary.Adapter), workers, instead: model);
    }

    /// <summary>Why nobody can be asked.</summary>
    private static OpenAIError Refusal(ModelName name, RouteChoice? choice, OpenAIError? refusal, Visit visit)
    {
        visit.Model = choice is RouteChoice.Stopped || refusal is not null ? name.Name : "unknown";
        return choice switch
        {
            RouteChoice.Stopped => OpenAIError.Stopped(name.Text),
            RouteChoice.UnknownAdapter unknown => OpenAIError.NotFound(
                $"The model '{name.Name}' has no adapter '{unknown.Adapter}'. GET /v1/models lists those it has.", "model_not_found", "model"),
            RouteChoice.Ambiguous ambiguous => Ambiguous(name, ambiguous.Candidates),
            _ => refusal ?? OpenAIError.ModelNotFound(name.Text),
        };
    }

    private static OpenAIError Ambiguous(ModelName name, IEnumerable<string> candidates) => OpenAIError.Invalid(
        $"Several models are served as '{name.Name}'; ask for one of {string.Join(", ", candidates)}.", "model", "model_ambiguous");

    /// <param name="asked">The request.</param>
    /// <param name="side">Who is asked first.</param>
    /// <param name="workers">Workers of that side.</param>
    /// <param name="instead">Who is asked once that side failed: the model of a canary. Null for the same side again.</param>
    private async Task<OpenAIError?> SendAsync(Asked asked, Side side, IReadOnlyList<WorkerEndpoint> workers, ModelKey? instead)
    {
        var tried = new HashSet<string>(StringComparer.Ordinal);
        for (int attempt = 1; attempt <= options.Value.Attempts; attempt++)
        {
            if (drain.Cut.IsCancellationRequested || RoutingTable.Pick(workers, tried, side.Query, side.Prompt) is not { } worker)
                break;
            if (attempt > 1)
                GatewayMetrics.Retries.Inc();
            tried.Add(worker.Pod.Uid);
            bool isLast = attempt == options.Value.Attempts;
            AttemptEnd end = await TryAsync(asked, side, worker, attempt, () => !isLast && (IsUntried(side.Model, side.Adapter) || (instead is { } model && IsUntried(model, null))));
            if (end != AttemptEnd.Failed)
                return end == AttemptEnd.TimedOut ? OpenAIError.AnswerTimedOut(options.Value.AnswerTimeoutSeconds) : null;
            // The table tells soon who else is affected, and new requests need not find out one by one.
            routes.Wake();
            if (instead is { } model && IsUntried(model, null))
            {
                (side, instead) = (Read(asked, model, null), null);
                Canaries.StaysBehind(asked.Visit.Model, asked.Visit.Canary!, CanaryFallback.Failed); // Who is instead of somebody is instead of a canary.
            }
            workers = Workers(side.Model, side.Adapter);
        }

        return drain.Cut.IsCancellationRequested ? OpenAIError.ShuttingDown() : OpenAIError.WorkersFailed(asked.Body.Model);

        bool IsUntried(ModelKey model, string? adapter) => Workers(model, adapter).Any(worker => !tried.Contains(worker.Pod.Uid));
    }

    /// <summary>What the choice of a worker depends on. Embeddings leave nothing in a cache.</summary>
    private Side Read(Asked asked, ModelKey model, string? adapter)
    {
        var ask = RouteAsk.Of(routes.Table, model, adapter, asked.Generates ? asked.Body : null, asked.Tenant, asked.Session, Interlocked.Increment(ref _turn));
        return new Side(model, adapter, ask.Query, ask.Prompt);
    }

    /// <summary>Who serves the model, or its adapter, now.</summary>
    private IReadOnlyList<WorkerEndpoint> Workers(ModelKey model, string? adapter) => routes.Table.Of(model, adapter) is RouteChoice.To to ? to.Workers : [];

    private async Task<AttemptEnd> TryAsync(Asked asked, Side side, WorkerEndpoint worker, int number, Func<bool> another)
    {
        string served = worker.Pod.NameOf(side.Adapter);
        if (number > 1)
            asked.Context.Response.Clear(); // A failed attempt leaves its headers.
        var attempt = new Attempt { Body = asked.Body.WithModel(served), Prompt = side.Prompt, Spending = asked.Spending, ServedBy = $"{served}@{worker.Pod.Revision}" };
        asked.Visit.Target = TrafficShare.NameOf(side.Model, side.Adapter);
        using var counted = worker.Begin(side.Prompt);
        AttemptEnd end = await relay.SendAsync(asked.Context, worker, attempt, another);
        attempt.Settle();
        return Judge(asked.Context, worker, attempt, end, number);
    }

    private AttemptEnd Judge(HttpContext context, WorkerEndpoint worker, Attempt attempt, AttemptEnd end, int number)
    {
        if (attempt.Stream == StreamEnd.WorkerLost)
        {
            GatewayMetrics.StreamsLost.Inc();
            Log.StreamLost(log, worker.Pod.Name, attempt.Cause);
        }

        if (attempt.Stream == StreamEnd.ClientGone || context.RequestAborted.IsCancellationRequested)
        {
            GatewayMetrics.ClientsGone.Inc();
            if (!context.Response.HasStarted)
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest; // For the metrics: nobody reads it.
            return AttemptEnd.Over;
        }

        if (attempt.Failure is { } failure)
            Log.AttemptFailed(log, worker.Pod.Name, failure, number, attempt.Cause);
        // A worker that is slow is as slow for the next, and has done the work for nothing.
        return context.Response.HasStarted ? AttemptEnd.Over : end;
    }
}
