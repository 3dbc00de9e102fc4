using AiFabric.LocalCluster.Node.Pods;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Node.Logs;

/// <summary>What <c>kubectl logs</c> reads.</summary>
internal sealed class PodLogs(NodeAgent node, TimeProvider time) : IPodLogs
{
    /// <inheritdoc/>
    public IAsyncEnumerable<PodLogLine> ReadAsync(PodLogRequest request, CancellationToken cancellationToken)
    {
        PodWorker? worker = node.Find(request.Namespace, request.Pod);
        int starts = worker?.Record.Container(request.Container).Starts ?? 0;
        if (request.Previous && starts < 2)
        {
            throw ApiException.BadRequest($"previous terminated container \"{request.Container}\" in pod \"{request.Pod}\" not found");
        }

        if (worker is null || starts == 0)
        {
            string reason = worker?.Record.Container(request.Container).BlockedReason ?? "ContainerCreating";
            throw ApiException.BadRequest($"container \"{request.Container}\" in pod \"{request.Pod}\" is waiting to start: {reason}");
        }

        int run = request.Previous ? starts - 1 : starts;
        return new LogReader(worker.Folder.Run(request.Container, run), time).ReadAsync(
            request,
            () => worker.Record.Container(request.Container) is { Running: true } current && current.Starts == run,
            cancellationToken);
    }
}
