using System.Net;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Limits;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace AiFabric.Gateway.Streaming;

/// <summary>How an attempt at a worker ended.</summary>
internal enum AttemptEnd
{
    /// <summary>The client has its answer, or has left.</summary>
    Over,

    /// <summary>The worker failed or refused before the first byte, so that another may be tried.</summary>
    Failed,

    /// <summary>The worker did not begin its answer in time.</summary>
    TimedOut,
}

/// <summary>One attempt at a worker: what goes along, and what it came to.</summary>
public sealed class Attempt
{
    private Func<long?> _used = () => null;

    /// <summary>The request's JSON.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Names of the prompt's beginnings; null where no cache matters.</summary>
    public PromptPieces? Prompt { get; init; }

    /// <summary>What the answer spends of its tenant's tokens; null without a limit.</summary>
    public Spending? Spending { get; init; }

    /// <summary>Who answers, as the client is told.</summary>
    public required string ServedBy { get; init; }

    /// <summary>The worker asked to try elsewhere (503, 429) before it sent anything.</summary>
    public bool Refused { get; set; }

    /// <summary>Set when an event stream was copied.</summary>
    public StreamEnd? Stream { get; set; }

    /// <summary>What broke the worker's side of the stream.</summary>
    public Exception? Cause { get; set; }

    /// <summary>Has the end of a whole answer kept on its way: there it says what it used.</summary>
    internal void Watch(HttpResponse response)
    {
        if (Spending is null)
            return;
        var tail = new TailStream(response.Body);
        (response.Body, _used) = (tail, () => UsageReader.TotalTokens(tail.Tail));
    }

    /// <summary>Counts what a whole answer says that it used.</summary>
    internal void Settle()
    {
        if (_used() is { } total)
            Spending?.Settle(total);
    }
}

/// <summary>Strips what is not for workers, lets refusals be tried elsewhere, and copies event streams event by event.</summary>
/// <param name="attempt">Says what goes along, and gets the outcome.</param>
/// <param name="another">Whether another worker could be tried, asked when this one refuses: meanwhile one may have come.</param>
/// <param name="idle">The worker is lost when it sends nothing for this long.</param>
/// <param name="cut">Cancelled when the stream must end.</param>
public sealed class WorkerTransformer(Attempt attempt, Func<bool> another, TimeSpan idle, CancellationToken cut) : HttpTransformer
{
    public override async ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        HeldBodyHandler.Set(proxyRequest, attempt.Body);
        proxyRequest.Headers.Host = null;
        proxyRequest.Headers.Remove(HeaderNames.Authorization); // the client's key is the gateway's business
        proxyRequest.Headers.Remove(WorkerHeaders.Tenant); // and so is who the client is
        proxyRequest.Headers.Remove(WorkerHeaders.Age); // a client would be first by saying that it came long ago
        if (httpContext.Features.Get<Tenant>() is { } tenant)
            proxyRequest.Headers.Add(WorkerHeaders.Tenant, tenant.Id);
        proxyRequest.Headers.Remove(WorkerHeaders.Mirrored); // and nobody but a copy is one
        proxyRequest.Headers.Remove(WorkerHeaders.Prompt);
        if (attempt.Prompt is { Digests.Count: > 0 } prompt)
            proxyRequest.Headers.TryAddWithoutValidation(WorkerHeaders.Prompt, prompt.ToHeader());
    }

    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (proxyResponse is null)
            return false;
        // A worker that shuts down or whose queue is full refuses before it has done anything.
        if (proxyResponse.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests && another())
        {
            attempt.Refused = true;
            return false;
        }

        await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        httpContext.Response.Headers[WorkerHeaders.ServedBy] = attempt.ServedBy;
        if (proxyResponse.Content.Headers.ContentType?.MediaType != "text/event-stream")
        {
            attempt.Watch(httpContext.Response);
            return true;
        }

        // Not the token passed in: it ends with the forwarder's activity timeout, which knows nothing of the copying here.
        await using Stream worker = await proxyResponse.Content.ReadAsStreamAsync(httpContext.RequestAborted);
        (attempt.Stream, attempt.Cause) = await EventCopier.CopyAsync(
            worker, httpContext.Response.BodyWriter, attempt.Spending, idle, cut, httpContext.RequestAborted);
        return false;
    }
}
