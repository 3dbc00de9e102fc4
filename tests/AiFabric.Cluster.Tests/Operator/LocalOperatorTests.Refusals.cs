using System.Text.Json.Nodes;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Conditions;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Operator;

/// <content>What the API server refuses is told, and done once it does not refuse it any more.</content>
public sealed partial class LocalOperatorTests
{
    [Fact]
    public async Task A_refused_change_of_a_model_leaves_what_runs_alone()
    {
        await Fabric.CreateModelAsync();
        await Fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        string revision = (await ModelAsync()).Status.Revision!; // It is ready.

        Forbid("/deployments/");
        var template = new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["note"] = "second" } } };
        await Fabric.Client.PatchAsync<CoServedModel>("demo", Fabric.Space, new JsonObject { ["spec"] = new JsonObject { ["template"] = template } });
        V1Condition ready = await Fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "False", Reasons.ObjectRefused);
        Assert.Equal("the API server refuses Deployment demo: exceeded quota: team", ready.Message);
        CoServedModel model = await ModelAsync();
        Assert.Equal((model.Metadata.Generation, model.Metadata.Generation), (ready.ObservedGeneration, model.Status.ObservedGeneration));
        Assert.Equal((revision, 1), (model.Status.Revision, model.Status.ReadyReplicas));
        await Fabric.WaitAsync(
            async () => (await Fabric.Client.ListAsync<Corev1Event>(Fabric.Space)).Any(e => e is { Type: "Warning", Reason: Reasons.ObjectRefused }), () => "an event");

        // A pod that takes another's place meanwhile gets its gate.
        string old = Assert.Single(await PodsAsync()).Metadata.Name;
        await Fabric.Client.DeleteAsync<V1Pod>(old, Fabric.Space);
        await Fabric.WaitAsync(
            async () => (await PodsAsync()).Any(pod => pod.Metadata.Name != old && PodReadiness.Holds(pod, "Ready")), () => "another pod to be Ready");

        Forbid(null);
        await Fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        Assert.NotEqual(revision, (await ModelAsync()).Status.Revision);
    }

    [Fact]
    public async Task A_model_whose_Secret_is_refused_says_so()
    {
        Forbid("/secrets");
        await Fabric.CreateModelAsync();
        V1Condition ready = await Fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "False", Reasons.ObjectRefused);
        Assert.Equal("the API server refuses Secret demo-control: exceeded quota: team", ready.Message);
        Assert.Null(await Fabric.Client.GetAsync<V1Deployment>("demo", Fabric.Space));
        Forbid(null);
        await Fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
    }

    [Fact]
    public async Task A_pipeline_whose_function_is_refused_says_so()
    {
        Forbid("/deployments/");
        await Fabric.Client.CreateAsync(new Pipeline
        {
            Metadata = new V1ObjectMeta { Name = "facts", NamespaceProperty = Fabric.Space },
            Spec = new PipelineSpec
            {
                Stages = [new StageSpec { Name = "sort", FunctionRef = new FunctionSpec { Image = "sorter:1" } }],
                Output = new PipelineOutput { From = "sort" },
            },
        });
        V1Condition ready = await Fabric.ConditionAsync<Pipeline>("facts", PipelineConditions.Ready, "False", Reasons.ObjectRefused);
        Assert.Equal("the API server refuses Deployment facts-sort: exceeded quota: team", ready.Message);
        Assert.Equal(ready.Message, (await Fabric.Client.GetAsync<Pipeline>("facts", Fabric.Space))!.Status.Stages!.Single().Message);
        Forbid(null);
        await Fabric.WaitAsync(async () => await Fabric.Client.GetAsync<V1Deployment>("facts-sort", Fabric.Space) is not null, () => "the Deployment");
        await Fabric.ConditionAsync<Pipeline>("facts", PipelineConditions.Ready, "False", Reasons.StageNotReady);
    }

    [Fact]
    public async Task A_job_whose_Adapter_is_refused_waits_and_completes()
    {
        Forbid("/adapters/");
        await Fabric.CreateModelAsync();
        await Fabric.CreateJobAsync();
        V1Condition running = await Fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Running, "False", Reasons.ObjectRefused);
        Assert.Equal("the API server refuses Adapter french: exceeded quota: team", running.Message);
        await Fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Failed, "False");
        Forbid(null);
        await Fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
    }

    private void Forbid(string? part) => Fabric.Policy!.Forbidden = part; // The local API server has one.

    private async Task<CoServedModel> ModelAsync() => (await Fabric.Client.GetAsync<CoServedModel>("demo", Fabric.Space))!; // It was made before.

    private async Task<IReadOnlyList<V1Pod>> PodsAsync() => await Fabric.Client.ListAsync<V1Pod>(Fabric.Space, $"{Labels.Model}=demo");
}
