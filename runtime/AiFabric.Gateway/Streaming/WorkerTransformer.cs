using System.Net;
using AiFabric.Gateway.Auth;
using AiFabric.Protocol;
using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace AiFabric.Gateway.Streaming;

/// <summary>What one attempt at a worker came to.</summary>
public sealed class Attempt
{
    /// <summary>The worker asked to try elsewhere (503, 429) before it sent anything.</summary>
    public bool Refused { get; set; }

    /// <summary>Set when an event stream was copied.</summary>
    public StreamEnd? Stream { get; set; }

    /// <summary>What broke the worker's side of the stream.</summary>
    public Exception? Cause { get; set; }
}

/// <summary>Strips what is not for workers, lets refusals be tried elsewhere, and copies event streams event by event.</summary>
/// <param name="attempt">Gets the outcome.</param>
/// <param name="another">Whether another worker could be tried, asked when this one refuses: meanwhile one may have come.</param>
/// <param name="idle">The worker is lost when it sends nothing for this long.</param>
/// <param name="cut">Cancelled when the stream must end.</param>
public sealed class WorkerTransformer(Attempt attempt, Func<bool> another, TimeSpan idle, CancellationToken cut) : HttpTransformer
{
    public override async ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        proxyRequest.Headers.Host = null;
        proxyRequest.Headers.Remove(HeaderNames.Authorization); // the client's key is the gateway's business
        proxyRequest.Headers.Remove(WorkerHeaders.Tenant); // and so is who the client is
        proxyRequest.Headers.Remove(WorkerHeaders.Age); // a client would be first by saying that it came long ago
        if (httpContext.Features.Get<Tenant>() is { } tenant)
            proxyRequest.Headers.Add(WorkerHeaders.Tenant, tenant.Id);
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
        if (proxyResponse.Content.Headers.ContentType?.MediaType != "text/event-stream")
            return true;

        // Not the token passed in: it ends with the forwarder's activity timeout, which knows nothing of the copying here.
        await using Stream worker = await proxyResponse.Content.ReadAsStreamAsync(httpContext.RequestAborted);
        (attempt.Stream, attempt.Cause) = await EventCopier.CopyAsync(
            worker, httpContext.Response.BodyWriter, idle, cut, httpContext.RequestAborted);
        return false;
    }
}
