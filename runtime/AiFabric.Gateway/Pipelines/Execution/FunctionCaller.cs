using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Crds.Pipelines;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>Speaks the stage protocol with one replica of a function: one JSON object there, lines of JSON back (docs/pipelines.md).</summary>
/// <param name="keeping">Sends on connections that it keeps.</param>
/// <param name="closing">Sends each request on a connection of its own.</param>
/// <param name="places">Who is working on what.</param>
public sealed class FunctionCaller(HttpClient keeping, HttpClient closing, FunctionPlaces places)
{
    /// <summary>Replicas remembered at most; then they are learned anew.</summary>
    private const int MaxKnown = 4_096;

    /// <summary>
    /// Replicas that speak HTTP/1.1. An older server closes the connection after its answer and does not say so, and what is sent on it meanwhile is lost: until a replica has shown what
    /// it speaks, each call has a connection of its own.
    /// </summary>
    private readonly ConcurrentDictionary<string, bool> _keepConnections = new(StringComparer.Ordinal);

    /// <summary>The pieces of the answer.</summary>
    /// <param name="replica">Who is asked.</param>
    /// <param name="function">What it runs.</param>
    /// <param name="context">Whose run it is: where calls wait for a place, those of the oldest requests go first.</param>
    /// <param name="body">The request.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="CallException">The replica was lost or refused.</exception>
    public async IAsyncEnumerable<string> PostAsync(
        FunctionReplica replica, FunctionSpec function, RunContext context, StageRequest body, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using IDisposable place = await places.EnterAsync(replica.Uid, function.Concurrency ?? int.MaxValue, context.Since, cancellationToken);
        using HttpResponseMessage answer = await SendAsync(replica, body, cancellationToken);
        await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (ReadOnlyMemory<byte> line in StageLines.ReadAsync(stream, cancellationToken))
        {
            StageLine said = Parse(line.Span);
            if (said.Error is { } error)
                throw new CallException($"the function said: {error}", mayRetry: false);
            if (said.Text is { Length: > 0 } text)
                yield return text;
        }
    }

    /// <summary>The replica for a call that may go to any: with a bound one of the least busy, else whichever has the highest hash.</summary>
    internal FunctionReplica? Choose(FunctionSpec function, IReadOnlyList<FunctionReplica> replicas, string key, IReadOnlySet<string> tried)
    {
        if (function.Concurrency is null)
            return FunctionReplicas.Choose(replicas, key, tried);
        IReadOnlyList<FunctionReplica> open = FunctionReplicas.Untried(replicas, tried);
        int[] loads = [.. open.Select(replica => places.Load(replica.Uid))];
        return FunctionReplicas.Choose([.. open.Where((_, i) => loads[i] == loads.Min())], key, tried);
    }

    private async Task<HttpResponseMessage> SendAsync(FunctionReplica replica, StageRequest body, CancellationToken cancellationToken)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(body, ControlJson.Default.StageRequest);
        using var request = new HttpRequestMessage(HttpMethod.Post, replica.Address)
        {
            Content = new ByteArrayContent(json) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        HttpClient http = _keepConnections.ContainsKey(replica.Uid) ? keeping : closing;
        try
        {
            HttpResponseMessage answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            Learn(replica, answer);
            if (answer.IsSuccessStatusCode)
                return answer;
            answer.Dispose();
            throw new CallException($"the function answered with HTTP status {(int)answer.StatusCode}", (int)answer.StatusCode >= 500);
        }
        // A connection that is not made in time is told as a cancellation that nobody asked for.
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new CallException("a replica of the function cannot be reached", mayRetry: true, e);
        }
    }

    private void Learn(FunctionReplica replica, HttpResponseMessage answer)
    {
        if (_keepConnections.Count >= MaxKnown)
            _keepConnections.Clear();
        if (answer.Version >= HttpVersion.Version11)
            _keepConnections.TryAdd(replica.Uid, true);
        else
            _keepConnections.TryRemove(replica.Uid, out _);
    }

    private static StageLine Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, ControlJson.Default.StageLine)!; // Checked for null by the options.
        }
        catch (JsonException e)
        {
            throw new CallException("""the function must answer in lines of {"text": "…"} or {"error": "…"}""", mayRetry: false, e);
        }
    }
}
