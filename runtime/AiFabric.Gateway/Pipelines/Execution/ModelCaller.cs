using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Holding;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Traffic;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using AiFabric.Protocol.OpenAI;
using AiFabric.Protocol.Sse;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>Asks a model for a stage, and reads its tokens as they come: no faster than its caller takes them.</summary>
public sealed class ModelCaller(
    HttpClient http, RouteKeeper routes, WaitingRoom waiting, DemandBook demand, Canaries canaries, Mirrors mirrors, IOptions<GatewayOptions> options)
{
    private const string Path = "/v1/chat/completions";

    private uint _turn;

    /// <summary>The answer's pieces, from one worker.</summary>
    /// <param name="space">The pipeline's namespace.</param>
    /// <param name="stage">A stage with <c>modelRef</c>.</param>
    /// <param name="inputs">Its inputs' texts.</param>
    /// <param name="context">Whose run it is.</param>
    /// <param name="tries">The same for all attempts at the call; told of this one.</param>
    /// <param name="cancellationToken">Ends the request, which frees its slot in the worker.</param>
    /// <exception cref="CallException">No worker, or it refused or was lost.</exception>
    public async IAsyncEnumerable<string> AskAsync(
        string space, StageSpec stage, IReadOnlyList<string> inputs, RunContext context, CallTries tries, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ModelStageSpec model = stage.ModelRef!; // As the caller promises.
        RequestBody body = RequestBody.Parse(StageBody.Write(stage, model.Name, inputs)).Body!; // It was just written.
        (ModelKey key, string? adapter) = Choose(new ModelKey(space, model.Name), model.Adapter, body, context, tries);
        using IDisposable counted = demand.Count(key);
        IReadOnlyList<WorkerEndpoint> workers = await WorkersAsync(key, adapter, context, cancellationToken);
        // A stage's calls begin alike, so that the worker that has the beginning in its cache is worth finding.
        var ask = RouteAsk.Of(routes.Table, key, adapter, body, context.Tenant, null, Interlocked.Increment(ref _turn));
        WorkerEndpoint worker = RoutingTable.Pick(workers, tries.Failed, ask.Query, ask.Prompt)
            ?? throw new CallException($"every replica of the model '{key.Name}' failed", mayRetry: false);
        tries.Failed.Add(worker.Pod.Uid);
        string served = worker.Pod.NameOf(adapter), code = "502";
        Activity.Current?.SetTag("aifabric.served_by", $"{served}@{worker.Pod.Revision}");
        using var sent = worker.Begin(ask.Prompt);
        try
        {
            using HttpResponseMessage answer = await SendAsync(worker, body.WithModel(served), ask.Prompt, context, cancellationToken);
            await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
            await foreach (string piece in ReadAsync(stream, body.TextBytes, context, cancellationToken))
            {
                tries.HasSpoken = true;
                yield return piece;
            }
            code = "200";
        }
        finally
        {
            if (tries.Canary is not null && !cancellationToken.IsCancellationRequested)
                GatewayMetrics.CanaryRequests.WithLabels(routes.Table.NameOf(new ModelKey(space, model.Name)), TrafficShare.NameOf(key, adapter), code).Inc();
        }
    }

    /// <summary>Who is asked: the model, or its canary. Drawn once for a call; a canary that failed before it said anything leaves the call to the model.</summary>
    private (ModelKey Model, string? Adapter) Choose(ModelKey model, string? adapter, RequestBody body, RunContext context, CallTries tries)
    {
        if (adapter is not null)
            return (model, adapter);
        if (!tries.HasDrawn)
        {
            (tries.Canary, IReadOnlyList<WorkerEndpoint>? workers) = canaries.Choose(routes.Table, model, context.Session);
            (tries.HasDrawn, tries.AsksCanary) = (true, workers is not null);
            mirrors.Offer(new MirrorAsk(model, Path, body, context.Tenant, context.Session));
        }
        else if (tries is { AsksCanary: true, HasSpoken: false } && routes.Table.Of(model, null) is RouteChoice.To)
        {
            tries.AsksCanary = false;
            Canaries.StaysBehind(routes.Table.NameOf(model), tries.Canary!, CanaryFallback.Failed); // Who asked a canary has one.
        }
        return tries is { AsksCanary: true, Canary: { } canary } ? (canary.Model, canary.Adapter) : (model, null);
    }

    private async Task<IReadOnlyList<WorkerEndpoint>> WorkersAsync(ModelKey key, string? adapter, RunContext context, CancellationToken cancellationToken)
    {
        if (!routes.Table.Models.Contains(key))
            throw new CallException($"the model '{key.Name}' does not exist", mayRetry: false);
        string name = $"{key.Namespace}/{routes.Table.ServedName(key)}{(adapter is null ? "" : ":" + adapter)}";
        (RouteChoice? choice, OpenAIError? refusal) = await waiting.AdmitAsync(ModelName.Parse(name), 0, cancellationToken);
        if (refusal == OpenAIError.ShuttingDown())
            context.TurnAway();
        return choice switch
        {
            RouteChoice.To to => to.Workers,
            RouteChoice.Stopped => throw new CallException($"the model '{key.Name}' is switched off", mayRetry: false),
            RouteChoice.UnknownAdapter => throw new CallException($"the model '{key.Name}' has no adapter '{adapter}'", mayRetry: false),
            _ => throw new CallException(refusal?.Message ?? $"the model '{key.Name}' cannot be reached", mayRetry: false),
        };
    }

    private async Task<HttpResponseMessage> SendAsync(WorkerEndpoint worker, ReadOnlyMemory<byte> body, PromptPieces? prompt, RunContext context, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = WorkerRequest.Post(worker, Path, body, context.Tenant, prompt);
        request.Headers.Add(WorkerHeaders.Age, ((long)context.Age.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));
        HttpResponseMessage answer;
        try
        {
            answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        // A connection that is not made in time is told as a cancellation that nobody asked for.
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            routes.Wake();
            throw new CallException($"the worker {worker.Pod.Name} cannot be reached", mayRetry: true, e);
        }
        if (answer.IsSuccessStatusCode)
            return answer;
        using (answer)
        {
            string text = await answer.Content.ReadAsStringAsync(cancellationToken);
            throw new CallException($"the model refused ({(int)answer.StatusCode}): {MessageOf(text)}", answer.StatusCode >= HttpStatusCode.InternalServerError || answer.StatusCode == HttpStatusCode.TooManyRequests);
        }
    }

    private async IAsyncEnumerable<string> ReadAsync(Stream stream, int promptBytes, RunContext context, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var used = new CallUsage(promptBytes);
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using IAsyncEnumerator<string> events = SseReader.ReadAsync(stream, idle.Token).GetAsyncEnumerator(idle.Token);
        try
        {
            while (true)
            {
                // While its caller has no room nothing is read, and the worker may be silent.
                idle.CancelAfter(TimeSpan.FromSeconds(options.Value.IdleTimeoutSeconds));
                string? data = await NextAsync(events, cancellationToken);
                idle.CancelAfter(Timeout.InfiniteTimeSpan);
                if (data is null)
                    throw new CallException("the worker was lost in the middle of its answer", mayRetry: true);
                if (data == SseFrame.Done)
                    yield break;
                ChatCompletionChunk chunk = Parse(data);
                used.Take(chunk);
                if (chunk.Choices.Count > 0 && chunk.Choices[0].Delta.Content is { Length: > 0 } text)
                    yield return text;
            }
        }
        finally
        {
            context.Count(used.Usage);
        }
    }

    private async Task<string?> NextAsync(IAsyncEnumerator<string> events, CancellationToken cancellationToken)
    {
        try
        {
            return await events.MoveNextAsync() ? events.Current : null;
        }
        catch (Exception e) when (e is IOException or HttpRequestException or InvalidDataException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            routes.Wake();
            return null;
        }
    }

    private static ChatCompletionChunk Parse(string data)
    {
        try
        {
            return JsonSerializer.Deserialize(data, OpenAIJson.Default.ChatCompletionChunk)!; // Never the JSON null.
        }
        catch (JsonException e)
        {
            throw new CallException($"the worker sent an error: {MessageOf(data)}", mayRetry: true, e);
        }
    }

    private static string MessageOf(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, OpenAIJson.Default.ErrorResponse)?.Error.Message ?? "";
        }
        catch (JsonException)
        {
            return json.Length > 200 ? json[..200] : json;
        }
    }
}
