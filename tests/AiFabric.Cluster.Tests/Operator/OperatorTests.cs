using System.Text.Json.Nodes;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Xunit;
using AdapterSpec = AiFabric.Crds.Adapters.AdapterSpec;

namespace AiFabric.Cluster.Tests.Operator;

/// <summary>The life of models, jobs and adapters, on whichever API server a subclass names.</summary>
public abstract partial class OperatorTests : IAsyncLifetime
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
        FakeWorker.HoldAt = int.MaxValue; // Other classes' tests have workers of this kind too.
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
