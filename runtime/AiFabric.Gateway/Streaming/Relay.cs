using System.Diagnostics;
using System.Net;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Shutdown;
using AiFabric.Protocol;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace AiFabric.Gateway.Streaming;

/// <summary>
/// Sends a client's request to a worker, and the worker's answer back: what is not for workers is left out, a refusal may be tried elsewhere, and streams are copied event by event. Which headers pass a
/// proxy YARP's transformer says; docs/design/0002 says why its forwarder does not send.
/// </summary>
public sealed class Relay(Drain drain, IOptions<GatewayOptions> options) : IDisposable
{
    private readonly HttpMessageInvoker _http = Http();

    public void Dispose() => _http.Dispose();

    /// <summary>Makes one attempt. What it came to is noted in <paramref name="attempt"/>.</summary>
    /// <param name="context">The client's request and answer.</param>
    /// <param name="worker">Who is asked.</param>
    /// <param name="attempt">Says what goes along, and gets the outcome.</param>
    /// <param name="another">Whether another worker could be tried, asked when this one refuses: meanwhile one may have come.</param>
    internal async Task<AttemptEnd> SendAsync(HttpContext context, WorkerEndpoint worker, Attempt attempt, Func<bool> another)
    {
        using var deadline = new AttemptDeadline(
            TimeSpan.FromSeconds(options.Value.AnswerTimeoutSeconds), TimeSpan.FromSeconds(options.Value.IdleTimeoutSeconds), drain.Cut, context.RequestAborted);
        try
        {
            using HttpRequestMessage request = await RequestAsync(context, worker, attempt);
            using HttpResponseMessage answer = await _http.SendAsync(request, deadline.Token);
            // A worker that shuts down or whose queue is full refuses before it has done anything.
            if (answer.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests && another())
                return Fail(attempt, "refused");
            await AnswerAsync(context, answer, attempt, deadline);
            return attempt.Stream == StreamEnd.NeverBegan ? Fail(attempt, "no event", attempt.Cause) : AttemptEnd.Over;
        }
        catch (OperationCanceledException e) when (deadline.Token.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested && !drain.Cut.IsCancellationRequested)
        {
            Fail(context, attempt, "too slow", e);
            return AttemptEnd.TimedOut;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            return Fail(context, attempt, e.GetType().Name, e);
        }
    }

    private static HttpMessageInvoker Http()
    {
        SocketsHttpHandler handler = WorkerConnections.Handler();
        handler.ActivityHeadersPropagator = new ReverseProxyPropagator(DistributedContextPropagator.Current);
        return new HttpMessageInvoker(handler);
    }

    private static async ValueTask<HttpRequestMessage> RequestAsync(HttpContext context, WorkerEndpoint worker, Attempt attempt)
    {
        string prefix = worker.Pod.Address.ToString();
        // Held in memory, it goes out together with the headers, so that a worker wakes up once for a request.
        var request = new HttpRequestMessage(HttpMethod.Post, RequestUtilities.MakeDestinationAddress(prefix, context.Request.Path, context.Request.QueryString))
        {
            Content = new ReadOnlyMemoryContent(attempt.Body),
        };
        context.Request.ContentLength = attempt.Body.Length;
        await HttpTransformer.Default.TransformRequestAsync(context, request, prefix, context.RequestAborted);
        request.Headers.Host = null;
        request.Headers.Remove(HeaderNames.Authorization); // the client's key is the gateway's business
        request.Headers.Remove(WorkerHeaders.Tenant); // and so is who the client is
        request.Headers.Remove(WorkerHeaders.Age); // a client would be first by saying that it came long ago
        if (context.Features.Get<Tenant>() is { } tenant)
            request.Headers.Add(WorkerHeaders.Tenant, tenant.Id);
        request.Headers.Remove(WorkerHeaders.Mirrored); // and nobody but a copy is one
        request.Headers.Remove(WorkerHeaders.Prompt);
        if (attempt.Prompt is { Digests.Count: > 0 } prompt)
            request.Headers.TryAddWithoutValidation(WorkerHeaders.Prompt, prompt.ToHeader());
        return request;
    }

    private async Task AnswerAsync(HttpContext context, HttpResponseMessage answer, Attempt attempt, AttemptDeadline deadline)
    {
        context.Response.StatusCode = (int)answer.StatusCode;
        await HttpTransformer.Default.TransformResponseAsync(context, answer, deadline.Token);
        context.Response.Headers[WorkerHeaders.ServedBy] = attempt.ServedBy;
        await using Stream worker = await answer.Content.ReadAsStreamAsync(deadline.Token);
        if (answer.Content.Headers.ContentType?.MediaType == "text/event-stream")
        {
            (attempt.Stream, attempt.Cause) = await EventCopier.CopyAsync(worker, context.Response.BodyWriter, attempt.Spending, deadline, drain.Cut, context.RequestAborted);
            return;
        }
        attempt.Watch(context.Response);
        await worker.CopyToAsync(context.Response.Body, deadline.Token);
    }

    private static AttemptEnd Fail(HttpContext context, Attempt attempt, string why, Exception cause)
    {
        if (context.Response.HasStarted)
            context.Abort(); // Nobody is to take half of an answer for all of it.
        return Fail(attempt, why, cause);
    }

    private static AttemptEnd Fail(Attempt attempt, string why, Exception? cause = null)
    {
        (attempt.Failure, attempt.Cause) = (why, cause);
        return AttemptEnd.Failed;
    }
}
