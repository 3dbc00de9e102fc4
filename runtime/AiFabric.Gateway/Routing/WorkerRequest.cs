using System.Net.Http.Headers;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Routing;

/// <summary>A request of the gateway's own to a worker: a stage's call, or a copy. Clients' requests are forwarded instead.</summary>
internal static class WorkerRequest
{
    /// <param name="worker">The worker.</param>
    /// <param name="path">The endpoint.</param>
    /// <param name="body">JSON.</param>
    /// <param name="tenant">Whose it is; null where no keys are asked for.</param>
    /// <param name="prompt">Names of the prompt's beginnings; null where no cache matters.</param>
    public static HttpRequestMessage Post(WorkerEndpoint worker, string path, ReadOnlyMemory<byte> body, string? tenant, PromptPieces? prompt)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(worker.Pod.Address, path))
        {
            Content = new ReadOnlyMemoryContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        if (tenant is not null)
            request.Headers.Add(WorkerHeaders.Tenant, tenant);
        if (prompt is { Digests.Count: > 0 })
            request.Headers.Add(WorkerHeaders.Prompt, prompt.ToHeader());
        return request;
    }
}
