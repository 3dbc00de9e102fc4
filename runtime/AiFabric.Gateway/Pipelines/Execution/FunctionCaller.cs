using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Crds.Pipelines;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>Speaks the stage protocol with one replica of a function: one JSON object there, lines of JSON back (docs/pipelines.md).</summary>
/// <param name="http">Sends.</param>
/// <param name="places">Who is working on what.</param>
public sealed class FunctionCaller(HttpClient http, FunctionPlaces places)
{
    /// <summary>Longest line of an answer, characters.</summary>
    private const int MaxLine = 1 << 20;

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
        using IDisposable place = await places.EnterAsync(replica.Uid, function.Concurrency ?? int.MaxValue, context.Arrived, cancellationToken);
        using HttpResponseMessage answer = await SendAsync(replica, body, cancellationToken);
        await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        using var reader = new StreamReader(stream);
        while (await LineAsync(reader, cancellationToken) is { } line)
        {
            if (line.Length == 0)
                continue;
            StageLine said = Parse(line);
            if (said.Error is { } error)
                throw new CallException($"the function said: {error}", mayRetry: false);
            if (said.Text is { Length: > 0 } text)
                yield return text;
        }
    }

    /// <summary>The replica for a call that may go to any: with a bound the least busy one, else by the key's hash, so that a retry of the run finds its way.</summary>
    internal FunctionReplica? Choose(FunctionSpec function, IReadOnlyList<FunctionReplica> replicas, string key, IReadOnlySet<string> excluded)
    {
        if (function.Concurrency is null)
            return FunctionReplicas.Choose(replicas, key, excluded);
        var open = replicas.Where(replica => !excluded.Contains(replica.Uid)).Select(replica => (Replica: replica, Load: places.Load(replica.Uid))).ToList();
        return open.Count == 0 ? null : FunctionReplicas.Choose([.. open.Where(each => each.Load == open.Min(other => other.Load)).Select(each => each.Replica)], key, excluded);
    }

    private async Task<HttpResponseMessage> SendAsync(FunctionReplica replica, StageRequest body, CancellationToken cancellationToken)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(body, ControlJson.Default.StageRequest);
        using var request = new HttpRequestMessage(HttpMethod.Post, replica.Address)
        {
            Content = new ByteArrayContent(json) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        try
        {
            HttpResponseMessage answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (answer.IsSuccessStatusCode)
                return answer;
            answer.Dispose();
            throw new CallException($"the function answered with HTTP status {(int)answer.StatusCode}", (int)answer.StatusCode >= 500);
        }
        catch (HttpRequestException e)
        {
            throw new CallException("a replica of the function cannot be reached", mayRetry: true, e);
        }
    }

    private static async Task<string?> LineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            string? line = await reader.ReadLineAsync(cancellationToken);
            return line?.Length > MaxLine ? throw new CallException($"the function sent a line of more than {MaxLine} characters", mayRetry: false) : line;
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new CallException("a replica of the function was lost in the middle of its answer", mayRetry: true, e);
        }
    }

    private static StageLine Parse(string line)
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
