namespace AiFabric.LocalCluster.Registry;

/// <summary>Where <c>GET pods/{name}/log</c> reads; the node implements it.</summary>
public interface IPodLogs
{
    /// <summary>The container's log lines, oldest first; with <see cref="PodLogRequest.Follow"/> it goes on until the container ends.</summary>
    /// <exception cref="ApiException">400 when the container has not started or (previous) there is no earlier one.</exception>
    IAsyncEnumerable<PodLogLine> ReadAsync(PodLogRequest request, CancellationToken cancellationToken);
}

/// <summary>One line of a container's output, without its line end.</summary>
public sealed record PodLogLine(DateTimeOffset Time, string Text);

/// <summary>What to read of a container's log.</summary>
/// <param name="Namespace">The pod's namespace.</param>
/// <param name="Pod">The pod's name; the API server has checked that it exists.</param>
/// <param name="Container">The container's name; the API server has checked that the pod has it.</param>
public sealed record PodLogRequest(string Namespace, string Pod, string Container)
{
    /// <summary>Only the last so many lines; null means all.</summary>
    public int? TailLines { get; init; }

    /// <summary>Go on with new lines until the container ends.</summary>
    public bool Follow { get; init; }

    /// <summary>Read the container's previous run.</summary>
    public bool Previous { get; init; }

    /// <summary>Only lines not older than this; null means all.</summary>
    public DateTimeOffset? Since { get; init; }
}

/// <summary>The logs of a cluster without a node: there are none.</summary>
internal sealed class NoPodLogs : IPodLogs
{
    public IAsyncEnumerable<PodLogLine> ReadAsync(PodLogRequest request, CancellationToken cancellationToken) =>
        throw ApiException.BadRequest(
            $"container \"{request.Container}\" in pod \"{request.Pod}\" is waiting to start: this cluster runs no node");
}
