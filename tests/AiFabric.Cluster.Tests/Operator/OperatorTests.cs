using System.Text.Json.Nodes;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Protocol.Control;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Xunit;
using AdapterSpec = AiFabric.Crds.Adapters.AdapterSpec;

namespace AiFabric.Cluster.Tests.Operator;

/// <summary>The life of models, jobs and adapters, on whichever API server a subclass names.</summary>
public abstract class OperatorTests : IAsyncLifetime
{
    private Fabric _fabric = null!; // Set before each test.

    public async ValueTask InitializeAsync()
    {
        FakeWorker.HoldAt = int.MaxValue;
        _fabric = await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _fabric.DisposeAsync();
    }

    [Fact]
    public async Task A_model_becomes_Ready_when_the_gateway_routes_to_it_and_not_before()
    {
        _fabric.GatewayRoutes = false;
        await _fabric.CreateModelAsync(replicas: 2);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "False", Reasons.NotRouted);
        _fabric.GatewayRoutes = true;
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        CoServedModel model = (await _fabric.Client.GetAsync<CoServedModel>("demo", _fabric.Space))!;
        Assert.Equal((2, 2, 2), (model.Status.Replicas, model.Status.UpdatedReplicas, model.Status.ReadyReplicas));
        V1Service service = (await _fabric.Client.GetAsync<V1Service>("demo", _fabric.Space))!;
        Assert.Equal(model.Metadata.Uid, service.Metadata.OwnerReferences.Single().Uid);
        _fabric.GatewayRoutes = false;
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "False", Reasons.NotRouted);
    }

    [Fact]
    public async Task A_rollout_waits_for_the_gateway() => await RolloutScenario.RunAsync(_fabric);

    [Fact]
    public async Task Nothing_is_written_when_nothing_changes()
    {
        await _fabric.CreateModelAsync();
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        await Fabric.WaitAsync(
            async () => (await _fabric.Client.GetAsync<V1Deployment>("demo", _fabric.Space))?.Status?.AvailableReplicas == 1, () => "the Deployment to notice");
        string[] before = await VersionsAsync();
        // Several looks later (steady time is a second) every object still has the version it had.
        await Task.Delay(TimeSpan.FromSeconds(3));
        Assert.Equal(before, await VersionsAsync());
    }

    [Fact]
    public async Task A_model_that_cannot_be_loaded_says_what_the_worker_said()
    {
        _fabric.Kubelet.Failure = "info: starting\nmodel.safetensors: header is truncated";
        await _fabric.CreateModelAsync();
        V1Condition ready = await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "False", Reasons.ModelLoadFailed);
        Assert.EndsWith("model.safetensors: header is truncated", ready.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_spec_that_the_schema_lets_pass_is_refused_with_the_field_named()
    {
        await _fabric.CreateModelAsync(change: spec => spec.Model.Uri = "s3:///model");
        V1Condition ready = await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "False", Reasons.InvalidSpec);
        Assert.StartsWith("spec.model.uri", ready.Message, StringComparison.Ordinal);
        Assert.Null(await _fabric.Client.GetAsync<V1Deployment>("demo", _fabric.Space));
    }

    [Fact]
    public async Task Scaling_to_zero_and_back_is_told()
    {
        await _fabric.CreateModelAsync();
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        await PatchAsync<CoServedModel>("demo", "replicas", 0);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "False", Reasons.ScaledToZero);
        await PatchAsync<CoServedModel>("demo", "replicas", 1);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
    }

    [Fact]
    public async Task A_sleeping_model_wakes_for_a_held_request_and_keeps_its_replica_while_the_demand_is_unknown()
    {
        await _fabric.CreateModelAsync(change: spec =>
        {
            spec.Replicas = null;
            spec.Scaling = new ScalingSpec { MinReplicas = 0, MaxReplicas = 2, TargetRequests = 4, ScaleDownDelaySeconds = 1 };
        });
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True", Reasons.ScaledToZero);

        _fabric.Demand = Demand(held: 1);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True", Reasons.Serving);
        _fabric.Demand = null;
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.ScalingActive, "False", Reasons.GatewayUnreachable);
        Assert.Equal(1, (await _fabric.Client.GetAsync<V1Deployment>("demo", _fabric.Space))!.Spec.Replicas);

        _fabric.Demand = Demand(held: 0);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True", Reasons.ScaledToZero);

        DemandReport Demand(int held) => new()
        {
            Models = [new ModelDemand { Namespace = _fabric.Space, Model = "demo", Requests = held, Held = held, Average = held }],
        };
    }

    [Fact]
    public async Task A_job_trains_and_its_adapter_is_served_by_every_replica()
    {
        await _fabric.CreateModelAsync(replicas: 2);
        await _fabric.CreateJobAsync();
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        await _fabric.ConditionAsync<Adapter>("french", AdapterConditions.Ready, "True");
        FinetuneJob job = (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!;
        Assert.Equal((FakeWorker.TotalSteps, "french", "1.0000"), (job.Status.Progress!.Step, job.Status.AdapterName, job.Status.Progress.Loss));
        Adapter adapter = (await _fabric.Client.GetAsync<Adapter>("french", _fabric.Space))!;
        Assert.Equal((2, 2, "demo:french"), (adapter.Status.LoadedReplicas, adapter.Status.DesiredReplicas, adapter.Status.ServedName));
        Assert.All(_fabric.Kubelet.Workers, worker => Assert.Contains("french", worker.Adapters.Keys));

        await _fabric.Client.DeleteAsync<FinetuneJob>("job", _fabric.Space);
        await GoneAsync<FinetuneJob>("job");
        Assert.NotNull(await _fabric.Client.GetAsync<Adapter>("french", _fabric.Space));
        await _fabric.Client.DeleteAsync<Adapter>("french", _fabric.Space);
        await GoneAsync<Adapter>("french");
        Assert.All(_fabric.Kubelet.Workers, worker => Assert.Empty(worker.Adapters));
    }

    [Fact]
    public async Task A_worker_that_lost_all_gets_its_session_and_adapters_back()
    {
        _fabric.Kubelet.Disk.Adapters["file:///adapters/german"] = "sha256:" + new string('e', 64);
        FakeWorker.HoldAt = 12;
        await _fabric.CreateModelAsync();
        await _fabric.Client.CreateAsync(NewAdapter("german"));
        await _fabric.CreateJobAsync(change: spec => spec.Checkpoint = new CheckpointSpec { IntervalSteps = 5 });
        await StepAsync(12);
        await _fabric.ConditionAsync<Adapter>("german", AdapterConditions.Ready, "True");

        _fabric.Kubelet.Workers.Single().Crash();
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        await _fabric.ConditionAsync<Adapter>("german", AdapterConditions.Ready, "True");
        await Fabric.WaitAsync(
            () => Task.FromResult(_fabric.Kubelet.Workers.Single().Adapters.ContainsKey("german")), () => "the adapter to be loaded again");
        Assert.Equal(0, (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status.Failures);
    }

    [Fact]
    public async Task A_job_whose_pod_is_gone_resumes_on_another_replica()
    {
        FakeWorker.HoldAt = 12;
        await _fabric.CreateModelAsync(replicas: 2);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        await _fabric.CreateJobAsync(change: spec => spec.Checkpoint = new CheckpointSpec { IntervalSteps = 5 });
        await StepAsync(12);
        string first = (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status.Pod!;
        await _fabric.Client.DeleteAsync<V1Pod>(first, _fabric.Space);
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        FinetuneJobStatus status = (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status;
        Assert.NotEqual(first, status.Pod);
        Assert.Equal(0, status.Failures);
    }

    [Fact]
    public async Task A_job_goes_on_while_the_operator_is_away_and_after()
    {
        FakeWorker.HoldAt = 8;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(8);
        await _fabric.StopOperatorAsync();
        _fabric.Kubelet.Workers.Single().Plant("stray-uid", "stray");
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.StartOperatorAsync();
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        FakeWorker worker = _fabric.Kubelet.Workers.Single();
        await Fabric.WaitAsync(
            () => Task.FromResult(!worker.Sessions.Contains("stray-uid") && !worker.Adapters.ContainsKey("stray")),
            () => "what no object asks for to be removed");
        Assert.DoesNotContain(worker.Calls, call => call.StartsWith("DELETE training/", StringComparison.Ordinal) && !call.EndsWith("stray-uid", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_job_can_be_suspended_and_resumed()
    {
        FakeWorker.HoldAt = 6;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(6);
        await PatchAsync<FinetuneJob>("job", "suspend", true);
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Suspended, "True");
        FakeWorker.HoldAt = int.MaxValue;
        await PatchAsync<FinetuneJob>("job", "suspend", false);
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
    }

    [Fact]
    public async Task A_changed_checkpoint_interval_takes_effect_in_a_running_job()
    {
        FakeWorker.HoldAt = 6;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync(change: spec => spec.Checkpoint = new CheckpointSpec { IntervalSteps = 3 });
        await StepAsync(6);
        await _fabric.Client.PatchAsync<FinetuneJob>(
            "job", _fabric.Space, new JsonObject { ["spec"] = new JsonObject { ["checkpoint"] = new JsonObject { ["intervalSteps"] = 2 } } });
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        Assert.Contains(_fabric.Kubelet.Workers.Single().Calls, call => call.StartsWith("DELETE training/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_failure_that_may_pass_is_retried_and_bad_input_is_not()
    {
        FakeWorker.HoldAt = 3;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(3);
        FakeWorker worker = _fabric.Kubelet.Workers.Single();
        worker.NextError = new TrainingError { Reason = "StorageFull", Message = "no space", Retryable = true };
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        Assert.Equal(1, (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status.Failures);

        worker.NextError = new TrainingError { Reason = "InvalidDataset", Message = "train.jsonl:7: no field text", Retryable = false };
        await _fabric.CreateJobAsync("bad", spec => spec.Output.AdapterName = "bad");
        V1Condition failed = await _fabric.ConditionAsync<FinetuneJob>("bad", FinetuneJobConditions.Failed, "True", "InvalidDataset");
        Assert.Contains("train.jsonl:7", failed.Message, StringComparison.Ordinal);
        Assert.Null(await _fabric.Client.GetAsync<Adapter>("bad", _fabric.Space));
        await Fabric.WaitAsync(
            async () => (await _fabric.Client.ListAsync<Corev1Event>(_fabric.Space)).Any(e => e is { Reason: "InvalidDataset", Type: "Warning" }),
            () => "an event");
    }

    [Fact]
    public async Task Deleting_a_running_job_cancels_its_session()
    {
        FakeWorker.HoldAt = 3;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(3);
        await _fabric.Client.DeleteAsync<FinetuneJob>("job", _fabric.Space);
        await GoneAsync<FinetuneJob>("job");
        Assert.Empty(_fabric.Kubelet.Workers.Single().Sessions);
    }

    [Fact]
    public async Task A_changed_immutable_field_is_refused_and_the_session_left_alone()
    {
        FakeWorker.HoldAt = 3;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(3);
        await ChangeDatasetAsync();
        Assert.Single(_fabric.Kubelet.Workers.Single().Sessions);
    }

    [Fact]
    public async Task An_adapter_that_is_none_fails_with_the_workers_reason()
    {
        await _fabric.CreateModelAsync();
        await _fabric.Client.CreateAsync(NewAdapter("nothing"));
        await _fabric.ConditionAsync<Adapter>("nothing", AdapterConditions.Failed, "True", "AdapterInvalid");
    }

    private protected Fabric Fabric => _fabric;

    private protected abstract Task<Fabric> StartAsync();

    /// <summary>Changes an immutable field of the job and checks that this is refused, by whom it may be.</summary>
    protected abstract Task ChangeDatasetAsync();

    private protected Task<FinetuneJob> PatchDatasetAsync() => _fabric.Client.PatchAsync<FinetuneJob>(
        "job", _fabric.Space, new JsonObject { ["spec"] = new JsonObject { ["dataset"] = new JsonObject { ["uri"] = "file:///other.jsonl" } } });

    private Adapter NewAdapter(string name) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = _fabric.Space },
        Spec = new AdapterSpec { ModelRef = new LocalReference { Name = "demo" }, Source = new AdapterSource { Uri = "file:///adapters/" + name } },
    };

    private Task<T> PatchAsync<T>(string name, string field, JsonNode value)
        where T : class, k8s.IKubernetesObject<V1ObjectMeta> =>
        _fabric.Client.PatchAsync<T>(name, _fabric.Space, new JsonObject { ["spec"] = new JsonObject { [field] = value } });

    private Task StepAsync(int step)
    {
        FinetuneJob? job = null;
        return Fabric.WaitAsync(
            async () =>
            {
                job = await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space);
                return job?.Status?.Progress?.Step == step;
            },
            () => $"step {step}; it is {k8s.KubernetesJson.Serialize(job?.Status)} ({_fabric.Kubelet.Error?.Message})");
    }

    private Task GoneAsync<T>(string name)
        where T : class, k8s.IKubernetesObject<V1ObjectMeta> =>
        Fabric.WaitAsync(async () => await _fabric.Client.GetAsync<T>(name, _fabric.Space) is null, () => $"{name} to vanish");

    private async Task<string[]> VersionsAsync() =>
    [
        (await _fabric.Client.GetAsync<CoServedModel>("demo", _fabric.Space))!.Metadata.ResourceVersion,
        (await _fabric.Client.GetAsync<V1Deployment>("demo", _fabric.Space))!.Metadata.ResourceVersion,
        (await _fabric.Client.GetAsync<V1Service>("demo", _fabric.Space))!.Metadata.ResourceVersion,
        (await _fabric.Client.GetAsync<V1Secret>("demo-control", _fabric.Space))!.Metadata.ResourceVersion,
    ];
}
