using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Pipelines;
using AiFabric.Operator.Validation;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class PipelinePlannerTests
{
    [Fact]
    public void A_function_becomes_a_deployment_of_the_pipeline_and_is_written_once()
    {
        PipelineObservation observed = Observe(Functional());
        V1Deployment made = Assert.Single(PipelinePlanner.Plan(observed, restricted: true).Deployments);

        Assert.Equal("facts-sort", made.Metadata.Name);
        Assert.Equal(2, made.Spec.Replicas);
        V1Container container = Assert.Single(made.Spec.Template.Spec.Containers);
        Assert.Equal("9000", container.Env.Single(variable => variable.Name == "PORT").Value);
        Assert.True(made.Spec.Template.Spec.SecurityContext.RunAsNonRoot);
        Assert.Empty(PipelinePlanner.Plan(observed with { Deployments = new Dictionary<string, V1Deployment> { ["facts-sort"] = made } }, restricted: true).Deployments);
    }

    [Fact]
    public void Deployments_of_stages_that_are_gone_are_deleted()
    {
        V1Deployment made = Assert.Single(PipelinePlanner.Plan(Observe(Functional()), restricted: false).Deployments);
        Pipeline without = Functional();
        without.Spec.Stages.RemoveAt(1);
        without.Spec.Output.From = "answer";

        Assert.Same(made, Assert.Single(PipelinePlanner.Plan(Observe(without) with { Owned = [made] }, restricted: false).Stray));
    }

    [Fact]
    public void A_deployment_of_somebody_else_is_left_alone()
    {
        var theirs = new V1Deployment { Metadata = new V1ObjectMeta { Name = "facts-sort" } };
        PipelinePlan plan = PipelinePlanner.Plan(Observe(Functional()) with { Deployments = new Dictionary<string, V1Deployment> { ["facts-sort"] = theirs } }, restricted: false);

        Assert.Equal(Reasons.NameTaken, plan.Refusal.Reason);
        Assert.Empty(plan.Deployments);
    }

    [Fact]
    public void A_circle_of_pipelines_is_refused_and_named()
    {
        Pipeline a = Nested("a", "b"), b = Nested("b", "c"), c = Nested("c", "a");
        var known = new[] { a, b, c }.ToDictionary(pipeline => pipeline.Metadata.Name);

        PipelinePlan plan = PipelinePlanner.Plan(Observe(a) with { Pipelines = known }, restricted: false);

        Assert.Equal(Reasons.InvalidSpec, plan.Refusal.Reason);
        Assert.EndsWith("a → b → c → a", plan.Refusal.Message, StringComparison.Ordinal);
        Assert.Contains("a → b → c → a", Assert.Single(ReferenceRules.Of(a, new Surroundings([], [], []) { Pipelines = [b, c] }).Refusals).Message, StringComparison.Ordinal);
        known.Remove("c");
        Assert.True(PipelinePlanner.Plan(Observe(a) with { Pipelines = known }, restricted: false).Refusal.Holds);
    }

    [Fact]
    public void Ready_waits_for_the_model_then_for_the_functions_pods_then_for_every_gateway()
    {
        Pipeline pipeline = Functional();
        PipelineObservation observed = Observe(pipeline);
        PipelinePlan plan = PipelinePlanner.Plan(observed, restricted: false);
        AssertReady(observed, plan, Reasons.StageNotReady, "stage answer: CoServedModel demo does not exist");

        CoServedModel model = Make.Model();
        observed = observed with { Models = new Dictionary<string, CoServedModel> { ["demo"] = model } };
        AssertReady(observed, plan, Reasons.StageNotReady, "stage answer: CoServedModel demo is not ready");

        model.Status = new CoServedModelStatus { Conditions = [new V1Condition { Type = CoServedModelConditions.Ready, Status = "True" }] };
        AssertReady(observed, plan, Reasons.StageNotReady, "stage sort: 0 of 2 replicas are ready");

        PipelinePlan refused = plan with { Refused = new Dictionary<string, Check> { ["facts-sort"] = Check.Fail(Reasons.ObjectRefused, "no quota") } };
        AssertReady(observed, refused, Reasons.ObjectRefused, "no quota");
        Assert.Equal("no quota", PipelineStatusBuilder.Build(observed, refused, Make.Now).Stages!.Single(stage => stage.Name == "sort").Message);

        observed = observed with { Pods = [Pod("p1", plan), Pod("p2", plan)] };
        AssertReady(observed, plan, Reasons.StageNotReady, "stage sort: the gateways call 0 of 2 replicas");

        observed = observed with { Gateways = new GatewayView([Gateway("g1", 5, "p1", "p2"), Gateway("g2", 4, "p1", "p2")]) };
        AssertReady(observed, plan, Reasons.StageNotReady, "stage sort: the gateways call 0 of 2 replicas"); // g2 runs an older generation.

        observed = observed with { Gateways = new GatewayView([Gateway("g1", 5, "p1", "p2"), Gateway("g2", 5, "p1", "p2")]) };
        AssertReady(observed, plan, Reasons.Serving, "every stage is ready, and every gateway serves it");
    }

    [Fact]
    public void A_stage_says_what_its_functions_pods_lack()
    {
        PipelineObservation observed = Observe(Make.Pipeline(new StageSpec { Name = "sort", FunctionRef = new FunctionSpec { Image = "sorter:1" } }));
        PipelinePlan plan = PipelinePlanner.Plan(observed, restricted: false);
        var refused = new V1DeploymentCondition { Type = "ReplicaFailure", Status = "True", Message = "exceeded quota" };
        var held = new V1Deployment { Metadata = new V1ObjectMeta { Generation = 1 }, Status = new V1DeploymentStatus { ObservedGeneration = 1, Conditions = [refused] } };
        AssertReady(
            observed with { Deployments = new Dictionary<string, V1Deployment> { ["facts-sort"] = held } }, plan,
            Reasons.StageNotReady, "stage sort: 0 of 1 replicas are ready: exceeded quota");

        V1Pod pod = Pod("p1", plan);
        pod.Metadata.Name = "sort-1";
        pod.Status.Conditions[0].Status = "False";
        var waiting = new V1ContainerStateWaiting { Reason = "ErrImagePull", Message = "not found" };
        pod.Status.ContainerStatuses = [new V1ContainerStatus { Name = "function", Image = "sorter:1", State = new V1ContainerState { Waiting = waiting } }];
        AssertReady(observed with { Pods = [pod] }, plan, Reasons.StageNotReady, "stage sort: 0 of 1 replicas are ready: pod sort-1: image sorter:1: not found");
    }

    private static void AssertReady(PipelineObservation observed, PipelinePlan plan, string reason, string message)
    {
        V1Condition ready = PipelineStatusBuilder.Build(observed, plan, Make.Now).Conditions!.Single(condition => condition.Type == PipelineConditions.Ready);
        Assert.Equal((reason, message, reason == Reasons.Serving ? "True" : "False"), (ready.Reason, ready.Message, ready.Status));
    }

    private static PipelineObservation Observe(Pipeline pipeline) => new() { Pipeline = pipeline, Violations = PipelineRules.All.Check(pipeline) };

    private static Pipeline Functional() => Make.Pipeline(
        new StageSpec { Name = "answer", ModelRef = new ModelStageSpec { Name = "demo" } },
        new StageSpec
        {
            Name = "sort",
            FunctionRef = new FunctionSpec { Image = "sorter:1", Replicas = 2, Port = 9000 },
            Inputs = [new InputSpec { From = "answer" }],
        });

    private static Pipeline Nested(string name, string other)
    {
        Pipeline pipeline = Make.Pipeline(new StageSpec { Name = "inner", PipelineRef = new PipelineReference { Name = other } });
        pipeline.Metadata.Name = name;
        return pipeline;
    }

    private static V1Pod Pod(string uid, PipelinePlan plan) => new()
    {
        Metadata = new V1ObjectMeta { Uid = uid, Labels = new Dictionary<string, string> { [Labels.Stage] = "sort", [Labels.Revision] = plan.Revisions["sort"] } },
        Status = new V1PodStatus { Conditions = [new V1PodCondition { Type = "Ready", Status = "True" }] },
    };

    private static GatewayReplica Gateway(string name, long generation, params string[] functions) => new(name, new RouteReport
    {
        Routes = [],
        Pipelines = [new PipelineEntry { Namespace = Make.Space, Name = "facts", Generation = generation, Functions = functions }],
    });
}
