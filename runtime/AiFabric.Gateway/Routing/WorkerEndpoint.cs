using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Routing;

/// <summary>A CoServedModel resource, by namespace and name.</summary>
public readonly record struct ModelKey(string Namespace, string Name);

/// <summary>A worker pod as the API server describes it, before the worker itself was asked.</summary>
public sealed record WorkerPod
{
    public required string Uid { get; init; }

    public required string Name { get; init; }

    public required ModelKey Model { get; init; }

    /// <summary>Name in OpenAI's model field.</summary>
    public required string ServedName { get; init; }

    public required string Revision { get; init; }

    /// <summary>Base address of the serving port.</summary>
    public required Uri Address { get; init; }

    /// <summary>What the worker calls its model, or an adapter of it.</summary>
    public string NameOf(string? adapter) => adapter is null ? ServedName : $"{ServedName}:{adapter}";
}

/// <summary>Requests that this gateway has sent to one worker and that have not ended. Outlives changes of its adapters.</summary>
public sealed class InFlightCounter
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void Begin() => Interlocked.Increment(ref _count);

    public void End() => Interlocked.Decrement(ref _count);
}

/// <summary>A worker that answered: the pod, the adapters it lists itself, sorted, and its load from here.</summary>
public sealed record WorkerEndpoint(WorkerPod Pod, IReadOnlyList<string> Adapters, InFlightCounter InFlight)
{
    /// <summary>What it reports of its load and cache.</summary>
    public WorkerView View { get; init; } = new(Pod.Uid);

    /// <summary>The worker as a choice for a prompt, or for any request.</summary>
    public Candidate For(PromptPieces? prompt) => View.For(InFlight.Count, prompt);

    /// <summary>Counts a request to it, until the answer is disposed, and expects its prompt in the cache.</summary>
    public Request Begin(PromptPieces? prompt)
    {
        InFlight.Begin();
        View.Expect(prompt);
        return new Request(this, prompt);
    }

    /// <summary>A request to a worker that has not ended.</summary>
    public readonly struct Request(WorkerEndpoint worker, PromptPieces? prompt) : IDisposable
    {
        public void Dispose()
        {
            worker.View.Ended(prompt);
            worker.InFlight.End();
        }
    }
}
