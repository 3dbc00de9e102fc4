using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Models;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Validation;
using AiFabric.Protocol.Control;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class ModelPlannerTests
{
    [Fact]
    public void A_new_model_gets_a_Deployment_and_a_Service_it_owns()
    {
        ModelPlan plan = ModelPlanner.Plan(new ModelObservation { Model = Make.Model(spec => spec.Replicas = 2) }, Make.Settings);
        Assert.Equal(2, plan.Deployment!.Spec.Replicas);
        Assert.Equal(plan.Revision, plan.Deployment.Spec.Template.Metadata.Labels[Labels.Revision]);
        Assert.All(plan.Deployment.Spec.Selector.MatchLabels, label => Assert.Equal(label.Value, plan.Deployment.Spec.Template.Metadata.Labels[label.Key]));
        Assert.DoesNotContain(Labels.Revision, plan.Deployment.Spec.Selector.MatchLabels.Keys);
        Assert.Equal("TCP", Assert.Single(plan.Service!.Spec.Ports).Protocol);
        Assert.All(
            new[] { plan.Deployment.Metadata, plan.Service.Metadata },
            metadata => Assert.Equal(("model-uid", true), (metadata.OwnerReferences.Single().Uid, metadata.OwnerReferences.Single().Controller)));
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData(0, 0)]
    [InlineData(5, 5)]
    public void Replicas_come_from_the_spec(int? replicas, int wanted) => Assert.Equal(
        wanted, ModelPlanner.Plan(new ModelObservation { Model = Make.Model(spec => spec.Replicas = replicas) }, Make.Settings).Replicas);

    [Fact]
    public void With_scaling_they_come_from_the_demand_and_a_change_is_told()
    {
        CoServedModel model = Make.Model(spec => spec.Scaling = new ScalingSpec { MinReplicas = 0, MaxReplicas = 3, TargetRequests = 2 });
        var asleep = new ScaleInput
        {
            Spec = model.Spec.Scaling!, // Set just before.
            Running = 0,
            Demand = ModelDemandSum.None,
            Complete = Check.Pass,
            Now = Make.Now,
        };
        ModelPlan first = ModelPlanner.Plan(new ModelObservation { Model = model, Scale = asleep }, Make.Settings);
        Assert.Equal((0, 0, null), (first.Replicas, first.Deployment!.Spec.Replicas, first.Before));

        ModelPlan second = ModelPlanner.Plan(
            new ModelObservation
            {
                Model = model,
                Deployment = first.Deployment,
                Service = first.Service,
                Scale = asleep with { Demand = new ModelDemandSum(3, 3, 0, TimeSpan.Zero) },
            },
            Make.Settings);
        Assert.Equal((2, 2, 0), (second.Replicas, second.Deployment!.Spec.Replicas, second.Before));
        Assert.Equal("3 requests now (3 held), 0.0 on average, 2 each", second.Scale!.Cause);
    }

    [Fact]
    public void Nothing_is_applied_when_the_server_has_it_all_with_its_own_defaults_added()
    {
        ModelObservation observed = Applied(Make.Model());
        observed.Deployment!.Spec.ProgressDeadlineSeconds = 600;
        observed.Deployment.Spec.Template.Spec.DnsPolicy = "ClusterFirst";
        observed.Deployment.Status = new V1DeploymentStatus { Replicas = 1 };
        observed.Service!.Spec.ClusterIP = "10.0.0.9";
        ModelPlan plan = ModelPlanner.Plan(observed, Make.Settings);
        Assert.Null(plan.Deployment);
        Assert.Null(plan.Service);
        Assert.NotNull(plan.Revision);
    }

    [Fact]
    public void Nothing_is_applied_when_the_server_left_out_what_is_false_or_empty()
    {
        ModelObservation observed = Applied(Make.Model(spec => spec.Template = new V1PodTemplateSpec
        {
            Spec = new V1PodSpec
            {
                HostIPC = false,
                Containers = [new V1Container { Name = "worker", Env = [new V1EnvVar { Name = "EMPTY", Value = "" }] }],
            },
        }));
        V1PodSpec live = observed.Deployment!.Spec.Template.Spec;
        Assert.Equal((false, ""), (live.HostIPC, live.Containers[0].Env.Single(variable => variable.Name == "EMPTY").Value));
        live.HostIPC = null;
        live.Containers[0].Env.Single(variable => variable.Name == "EMPTY").Value = null;
        Assert.Null(ModelPlanner.Plan(observed, Make.Settings).Deployment);
        live.AutomountServiceAccountToken = null; // Without it the pod would get a token.
        Assert.NotNull(ModelPlanner.Plan(observed, Make.Settings).Deployment);
    }

    [Fact]
    public void A_foreign_change_is_undone()
    {
        ModelObservation observed = Applied(Make.Model());
        observed.Deployment!.Spec.Replicas = 4;
        Assert.NotNull(ModelPlanner.Plan(observed, Make.Settings).Deployment);
    }

    [Fact]
    public void A_field_that_is_wanted_no_more_is_noticed()
    {
        ModelObservation observed = Applied(Make.Model(spec => spec.Template = new V1PodTemplateSpec
        {
            Spec = new V1PodSpec { NodeSelector = new Dictionary<string, string> { ["gpu"] = "h100" } },
        }));
        Assert.NotNull(ModelPlanner.Plan(observed with { Model = Make.Model() }, Make.Settings).Deployment);
    }

    [Fact]
    public void A_refused_spec_leaves_what_runs_alone()
    {
        ModelObservation observed = Applied(Make.Model()) with { Violations = [new Violation("spec.model.uri", "no"), new Violation("spec.scaling", "no")] };
        ModelPlan plan = ModelPlanner.Plan(observed, Make.Settings);
        Assert.Equal((null, null), (plan.Deployment, plan.Service));
        Assert.Equal((Reasons.InvalidSpec, "spec.model.uri: no; spec.scaling: no"), (plan.Refusal.Reason, plan.Refusal.Message));
    }

    [Fact]
    public void Without_a_control_token_nothing_is_applied_and_its_refusal_is_passed_on()
    {
        Check refused = Check.Fail(Reasons.ObjectRefused, "the API server refuses Secret demo-control: no");
        ModelPlan plan = ModelPlanner.Plan(new ModelObservation { Model = Make.Model(), Token = refused }, Make.Settings);
        Assert.Equal((null, null, null, refused, true), (plan.Deployment, plan.Service, plan.Revision, plan.Refused, plan.Refusal.Holds));
    }

    [Fact]
    public void Somebody_elses_Deployment_or_Service_is_never_taken_over()
    {
        var foreign = new V1ObjectMeta { Name = "demo", NamespaceProperty = Make.Space, Uid = "x" };
        ModelPlan deployment = ModelPlanner.Plan(new() { Model = Make.Model(), Deployment = new V1Deployment { Metadata = foreign } }, Make.Settings);
        ModelPlan service = ModelPlanner.Plan(new() { Model = Make.Model(), Service = new V1Service { Metadata = foreign } }, Make.Settings);
        Assert.All(new[] { deployment, service }, plan => Assert.Equal((Reasons.NameTaken, null, null), (plan.Refusal.Reason, plan.Deployment, plan.Service)));
    }

    [Fact]
    public void What_no_object_asks_for_is_removed_from_workers()
    {
        ModelObservation observed = new()
        {
            Model = Make.Model(),
            Pods = [Make.Pod()],
            Loads = new Dictionary<string, LoadReport>
            {
                ["demo-0-uid"] = Make.Load(Make.Session(TrainingState.Running), Make.Session(TrainingState.Running, uid: "gone")) with
                {
                    Adapters = ["french", "old"],
                },
            },
            Adapters = new HashSet<string> { "french" },
            Jobs = new HashSet<string> { "job-uid" },
        };
        ModelPlan plan = ModelPlanner.Plan(observed, Make.Settings);
        Assert.Equal("old", Assert.Single(plan.StrayAdapters).Name);
        Assert.Equal("gone", Assert.Single(plan.StraySessions).Uid);
    }

    [Theory]
    [InlineData("""{"a":1}""", """{"a":1,"b":2}""", true)]
    [InlineData("""{"a":1}""", """{"a":2}""", false)]
    [InlineData("""{"a":{"b":"x"}}""", """{"a":{"b":"x","c":[]}}""", true)]
    [InlineData("""{"a":[{"n":1}]}""", """{"a":[{"n":1,"d":true}]}""", true)]
    [InlineData("""{"a":[1]}""", """{"a":[1,2]}""", false)]
    [InlineData("""{"a":[]}""", "{}", true)]
    [InlineData("""{"a":"1000m"}""", """{"a":"1"}""", true)]
    [InlineData("""{"a":"1024Mi"}""", """{"a":"1Gi"}""", true)]
    [InlineData("""{"a":"1Gi"}""", """{"a":"1G"}""", false)]
    [InlineData("""{"a":"1x"}""", """{"a":"1"}""", false)]
    [InlineData("""{"a":false,"b":0,"c":"","d":{"e":false}}""", "{}", true)]
    [InlineData("""{"a":[{"name":"A","value":""}]}""", """{"a":[{"name":"A"}]}""", true)]
    [InlineData("""{"a":false}""", """{"a":true}""", false)]
    [InlineData("""{"a":0}""", """{"a":1}""", false)]
    [InlineData("""{"a":""}""", """{"a":"x"}""", false)]
    [InlineData("""{"a":true}""", "{}", false)]
    [InlineData("""{"a":"0"}""", "{}", false)]
    [InlineData("""{"nodeSelector":{"gpu":""}}""", """{"nodeSelector":{}}""", false)]
    [InlineData("""{"securityContext":{"allowPrivilegeEscalation":false}}""", "{}", false)]
    public void One_document_holds_another(string wanted, string live, bool holds) => Assert.Equal(
        holds, JsonSubset.Contains(System.Text.Json.Nodes.JsonNode.Parse(wanted), System.Text.Json.Nodes.JsonNode.Parse(live)));

    /// <summary>The model after its first plan was applied.</summary>
    private static ModelObservation Applied(CoServedModel model)
    {
        ModelPlan first = ModelPlanner.Plan(new ModelObservation { Model = model }, Make.Settings);
        return new ModelObservation { Model = model, Deployment = first.Deployment, Service = first.Service };
    }
}
