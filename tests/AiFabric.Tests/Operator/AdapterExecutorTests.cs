using AiFabric.Kube;
using AiFabric.Operator.Adapters;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class AdapterExecutorTests
{
    private static readonly NamespacedName French = new(Make.Space, "french");

    [Fact]
    public async Task What_was_sent_to_pods_that_are_gone_is_forgotten()
    {
        var executor = new AdapterExecutor(new ObligingClient(), NullLogger<AdapterExecutor>.Instance);
        var request = new AdapterRequest { Uri = "file:///adapters/french" };
        WorkerPod[] pods = [Make.Pod("a"), Make.Pod("b")];
        await executor.ApplyAsync(French, new AdapterPlan { Loads = [.. pods.Select(pod => new AdapterLoad(pod, request))] }, default);
        Assert.All(pods, pod => Assert.Equal(request, executor.Sent(pod, "french")));
        Assert.Null(executor.Sent(Make.Pod("a", restarts: 1), "french"));

        // Pod a goes with its node, or with the demand.
        await executor.ApplyAsync(French, new AdapterPlan { Settled = [new AdapterOutcome(pods[1], Check.Pass)] }, default);
        Assert.Null(executor.Sent(pods[0], "french"));
        Assert.Equal(request, executor.Sent(pods[1], "french"));

        Assert.Empty(await executor.UnloadAsync(French, pods[1..], default));
        Assert.Null(executor.Sent(pods[1], "french"));
    }

    private sealed class ObligingClient : IWorkerClient
    {
        public Task<WorkerReply<AdapterStatus>> PutAdapterAsync(WorkerPod pod, string name, AdapterRequest request, CancellationToken cancellationToken) =>
            Task.FromResult(new WorkerReply<AdapterStatus>(WorkerOutcome.Ok, new AdapterStatus { Name = name, Digest = Make.Digest('a') }));

        public Task<WorkerReply<Nothing>> DeleteAdapterAsync(WorkerPod pod, string name, CancellationToken cancellationToken) =>
            Task.FromResult(new WorkerReply<Nothing>(WorkerOutcome.Ok, Nothing.Instance));

        public Task<WorkerReply<LoadReport>> GetLoadAsync(WorkerPod pod, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<WorkerReply<AdapterList>> ListAdaptersAsync(WorkerPod pod, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<WorkerReply<TrainingStatus>> PutTrainingAsync(WorkerPod pod, string uid, TrainingRequest request, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<WorkerReply<TrainingStatus>> GetTrainingAsync(WorkerPod pod, string uid, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<WorkerReply<Nothing>> DeleteTrainingAsync(WorkerPod pod, string uid, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
