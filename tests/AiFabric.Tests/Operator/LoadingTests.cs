using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Models;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class LoadingTests
{
    private const long Total = 3_650_722_202; // 3.4 GiB

    /// <summary>What pods say, and what the model's condition says of it.</summary>
    private static readonly (string? Reason, string Message, ModelLoading?[] Loadings)[] Table =
    [
        (null, "", [null]),
        (null, "", [new() { State = LoadingState.Loading }]),
        (Reasons.Downloading, "asking the store which files there are", [new() { State = LoadingState.Resolving }]),
        (Reasons.Downloading, "1.2 GiB of 3.4 GiB (35%)", [At(LoadingState.Downloading, 1_288_490_188)]),
        (Reasons.Downloading, "1.2 GiB of 3.4 GiB (35%)", [At(LoadingState.Waiting, 1_288_490_188)]),
        (Reasons.Downloading, "0 B of 0 B (0%)", [new() { State = LoadingState.Downloading, TotalBytes = 0 }]),
        (Reasons.Downloading, "0 B of 3.4 GiB (0%), the slowest of 2 replicas", [At(LoadingState.Downloading, 5_000_000), At(LoadingState.Waiting, 0)]),
        (Reasons.Downloading, "3.4 GiB of 3.4 GiB (99%)", [At(LoadingState.Downloading, Total - 1), new() { State = LoadingState.Loading }]),
        (Reasons.DownloadFailed, "pod p1: hub answered 401", [At(LoadingState.Downloading, 1), new() { State = LoadingState.Failed, Message = "hub answered 401" }]),
    ];

    [Fact]
    public void The_slowest_download_and_the_first_failure_are_told()
    {
        foreach (var (reason, message, loadings) in Table)
        {
            WorkerPod[] pods = [.. loadings.Select((_, i) => Make.Pod($"p{i}", ready: false))];
            var said = pods.Zip(loadings).Where(pair => pair.Second is not null).ToDictionary(pair => pair.First.Uid, pair => pair.Second!); // Filtered just before.
            Check? check = LoadingChecks.Of(pods, said);
            Assert.Equal((reason, message), (check?.Reason, check?.Message ?? ""));
        }
    }

    [Fact]
    public void A_worker_that_answers_is_believed_over_the_end_of_its_predecessor()
    {
        WorkerPod pod = Make.Pod("p0", ready: false) with { Problem = new PodProblem(Reasons.CrashLoopBackOff, "ended") };
        Assert.Equal(Reasons.CrashLoopBackOff, LoadingChecks.Of([pod], new Dictionary<string, ModelLoading>())?.Reason);
        Assert.Equal(Reasons.Downloading, LoadingChecks.Of([pod], new Dictionary<string, ModelLoading> { [pod.Uid] = At(LoadingState.Downloading, 1) })?.Reason);
    }

    [Fact]
    public async Task Workers_are_asked_every_few_seconds_however_often_the_model_is_looked_at()
    {
        var time = new FakeTimeProvider();
        var client = new CountingClient { Loading = At(LoadingState.Downloading, 1) };
        var reports = new LoadingReports(client, time);
        CoServedModel model = Make.Model();
        WorkerPod[] pods = [Make.Pod("a", ready: false) with { Running = true }, Make.Pod("b")];
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(1, Assert.Single(await reports.AskAsync(model, pods, default)).Value.DownloadedBytes);
            client.Loading = At(LoadingState.Downloading, i + 2);
        }
        Assert.Equal(1, client.Asked);
        time.Advance(LoadingReports.Interval);
        Assert.Equal(11, Assert.Single(await reports.AskAsync(model, pods, default)).Value.DownloadedBytes);
        WorkerPod[] more = [.. pods, Make.Pod("c", ready: false) with { Running = true }];
        Assert.Equal(2, (await reports.AskAsync(model, more, default)).Count);
        Assert.Empty(await reports.AskAsync(model, [Make.Pod("a"), Make.Pod("b")], default));
        Assert.Equal(4, client.Asked);
    }

    private static ModelLoading At(LoadingState state, long bytes) => new() { State = state, DownloadedBytes = bytes, TotalBytes = Total };

    private sealed class CountingClient : IWorkerClient
    {
        public int Asked { get; private set; }

        public required ModelLoading Loading { get; set; }

        public Task<WorkerReply<LoadReport>> GetLoadAsync(WorkerPod pod, CancellationToken cancellationToken)
        {
            Asked++;
            return Task.FromResult(new WorkerReply<LoadReport>(WorkerOutcome.Ok, new LoadReport { Model = "demo", Loading = Loading }));
        }

        public Task<WorkerReply<AdapterList>> ListAdaptersAsync(WorkerPod pod, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<WorkerReply<AdapterStatus>> PutAdapterAsync(WorkerPod pod, string name, AdapterRequest request, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<WorkerReply<Nothing>> DeleteAdapterAsync(WorkerPod pod, string name, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<WorkerReply<TrainingStatus>> PutTrainingAsync(WorkerPod pod, string uid, TrainingRequest request, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<WorkerReply<TrainingStatus>> GetTrainingAsync(WorkerPod pod, string uid, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<WorkerReply<Nothing>> DeleteTrainingAsync(WorkerPod pod, string uid, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
