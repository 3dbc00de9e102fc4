using System.Globalization;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.FinetuneJobs;
using k8s;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>kill -9 of every part in the middle of a FinetuneJob: it comes back by itself and the job ends well.</summary>
[Collection(FabricTests.Name)]
public sealed class CrashTests(FabricFixture fabric)
{
    private const string SystemSpace = "aifabric-system";
    private const int Steps = 40;
    private const int IntervalSteps = 5;

    [Fact]
    public async Task A_job_resumes_from_its_checkpoint_when_its_worker_is_killed()
    {
        await StartAsync("worker-killed");
        int reached = await StepAsync("worker-killed", IntervalSteps + 2);
        ContainerRun second = await fabric.Processes.KillAsync(FabricFixture.Space, "aifabric.io/model=demo");
        await CompleteAsync("worker-killed", reached - IntervalSteps);

        // The second process has seen a part of the job's tokens only; status alone could hide that it began anew.
        Assert.Equal(second, await fabric.Processes.WorkerAsync());
        long all = (await fabric.Client.GetAsync<FinetuneJob>("worker-killed", FabricFixture.Space))!.Status.Progress!.Tokens!.Value; // It is complete.
        double mine = await TrainedTokensAsync(second);
        Assert.True(mine > 0 && mine < all, $"the second process trained on {mine} of {all} tokens");
    }

    [Fact]
    public async Task A_job_completes_when_the_operator_is_killed()
    {
        await StartAsync("operator-killed");
        int reached = await StepAsync("operator-killed", 3);
        ContainerRun worker = await fabric.Processes.WorkerAsync();
        await fabric.Processes.KillAsync(SystemSpace, "app.kubernetes.io/component=operator");
        await CompleteAsync("operator-killed", reached);
        Assert.Equal(worker, await fabric.Processes.WorkerAsync());
    }

    [Fact]
    public async Task A_job_completes_when_the_gateway_is_killed()
    {
        await StartAsync("gateway-killed");
        int reached = await StepAsync("gateway-killed", 3);
        await fabric.Processes.KillAsync(SystemSpace, "app.kubernetes.io/component=gateway");
        await CompleteAsync("gateway-killed", reached);
    }

    [Fact]
    public async Task A_job_completes_and_pods_survive_when_the_API_server_is_killed()
    {
        await StartAsync("server-killed");
        int reached = await StepAsync("server-killed", 3);
        ContainerRun worker = await fabric.Processes.WorkerAsync();
        ContainerRun gateway = await fabric.Processes.ReadyAsync(SystemSpace, "app.kubernetes.io/component=gateway");
        await fabric.Processes.KillApiServerAsync();
        Assert.Equal("[DONE]", (await fabric.ChatAsync("demo"))[^1]);
        await CompleteAsync("server-killed", reached);
        Assert.Equal(worker, await fabric.Processes.WorkerAsync());
        Assert.Equal(gateway, await fabric.Processes.ReadyAsync(SystemSpace, "app.kubernetes.io/component=gateway"));
    }

    /// <summary>Tokens that went backward in a worker's process, by its own metrics.</summary>
    private async Task<double> TrainedTokensAsync(ContainerRun worker)
    {
        string? address = (await fabric.Client.GetAsync<V1Pod>(worker.Pod, FabricFixture.Space))?.Status.PodIP;
        string metrics = await fabric.ReadAsync(new Uri($"http://{address}:{Ports.ServingNumber}/metrics"));
        string line = Assert.Single(metrics.Split('\n'), candidate =>
            candidate.StartsWith("aifabric_engine_finetune_tokens_total{", StringComparison.Ordinal) && candidate.Contains("phase=\"backward\"", StringComparison.Ordinal));
        return double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
    }

    private async Task StartAsync(string name)
    {
        await fabric.ModelReadyAsync();
        await fabric.Client.CreateAsync(new FinetuneJob
        {
            Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = FabricFixture.Space },
            Spec = new FinetuneJobSpec
            {
                ModelRef = new LocalReference { Name = "demo" },
                Lora = new LoraHyperparameters { Rank = 4 },
                Dataset = new DatasetSpec
                {
                    Uri = $"file://{FabricFixture.Repository}/samples/finetune/jargon-train.jsonl",
                    EvalUri = $"file://{FabricFixture.Repository}/samples/finetune/jargon-eval.jsonl",
                },
                Hyperparameters = new Hyperparameters { MaxSteps = Steps, BatchSize = 2, SequenceLength = 128 },
                Checkpoint = new CheckpointSpec { IntervalSteps = IntervalSteps },
                Output = new OutputSpec { AdapterName = name },
            },
        });
    }

    /// <summary>Waits until the job is in its middle.</summary>
    /// <returns>The step it has reached.</returns>
    private async Task<int> StepAsync(string name, int step)
    {
        FinetuneJobStatus? status = null;
        await FabricFixture.UntilAsync(
            async () =>
            {
                status = (await fabric.Client.GetAsync<FinetuneJob>(name, FabricFixture.Space))?.Status;
                return status?.Progress?.Step >= step;
            },
            () => $"step {step} of {name}; it is {KubernetesJson.Serialize(status)}");
        int reached = status!.Progress!.Step!.Value; // Seen to be there.
        Assert.True(reached < Steps - IntervalSteps, $"{name} is at step {reached} already: too late to kill anything");
        return reached;
    }

    /// <summary>Follows the job to its end; it must never report fewer steps than <paramref name="leastStep"/>. Then its adapter answers.</summary>
    private async Task CompleteAsync(string name, int leastStep)
    {
        FinetuneJobStatus? status = null;
        await FabricFixture.UntilAsync(
            async () =>
            {
                status = (await fabric.Client.GetAsync<FinetuneJob>(name, FabricFixture.Space))!.Status;
                Assert.True(status.Progress!.Step >= leastStep, $"{name} fell back to step {status.Progress.Step}, below {leastStep}");
                return status.Conditions!.Any(condition => condition is { Type: FinetuneJobConditions.Complete, Status: "True" });
            },
            () => $"{name} to complete; it is {KubernetesJson.Serialize(status)}");
        Assert.Equal(Steps, status!.Progress!.Step);
        await fabric.ConditionAsync<Adapter>(name, AdapterConditions.Ready, "True");
        await fabric.ModelReadyAsync();
        Assert.Equal("[DONE]", (await fabric.ChatAsync($"demo:{name}"))[^1]);
    }
}
