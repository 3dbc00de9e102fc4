using System.Net;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>That the control plane is one: it takes the CRDs as they are, refuses what they forbid, and outlives its processes.</summary>
[Trait("Suite", "e2e")]
[Collection(RealClusterTests.Name)]
public sealed class ControlPlaneTests(RealClusterFixture fixture)
{
    [Fact]
    public async Task Custom_resources_are_stored_with_their_defaults_and_refused_by_their_rules()
    {
        IKubernetesClient client = fixture.Plane.Client;
        CoServedModel model = NewModel("taken", replicas: 1);
        model.Spec.CoServing = new CoServingSpec();
        CoServedModel stored = await client.CreateAsync(model);
        Assert.Equal(CoServingPolicy.InferenceFirst, stored.Spec.CoServing?.Policy);
        CoServedModel both = NewModel("refused", replicas: 1);
        both.Spec.Scaling = new ScalingSpec { MinReplicas = 1, MaxReplicas = 2 };
        var refusal = await Assert.ThrowsAsync<KubernetesApiException>(() => client.CreateAsync(both));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refusal.StatusCode);
        await client.DeleteAsync(stored);
    }

    [Theory]
    [InlineData("etcd")]
    [InlineData("kube-apiserver")]
    [InlineData("modern")]
    public async Task A_killed_component_comes_back_with_everything_that_was_stored(string component)
    {
        IKubernetesClient client = fixture.Plane.Client;
        string name = "kept-" + component;
        await client.CreateAsync(NewModel(name, replicas: 1));
        await fixture.Plane.KillAsync(new Component(component));
        await Assert.ThrowsAnyAsync<Exception>(() => client.CreateAsync(NewModel("lost", replicas: 1), new CancellationTokenSource(3000).Token));
        await fixture.Plane.StartComponentsAsync();
        Assert.NotNull(await client.GetAsync<CoServedModel>(name, "default"));
        await client.DeleteAsync<CoServedModel>(name, "default");
    }

    [Fact]
    public async Task The_audit_log_names_who_did_what()
    {
        await fixture.Plane.Client.CreateAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = "audited" } });
        await fixture.Plane.Client.CreateAsync(new V1ConfigMap { Metadata = new V1ObjectMeta { Name = "seen", NamespaceProperty = "audited" } });
        AuditEvent seen = Assert.Single(AuditEvent.Read(fixture.Plane.AuditLog), e => e is { Verb: "create", Resource: "configmaps", Namespace: "audited", User: "admin" });
        Assert.Equal(("", 201), (seen.Group, seen.Code));
        await fixture.Plane.Client.DeleteAsync<V1Namespace>("audited");
    }

    [Fact]
    public async Task Real_nodes_run_a_pod_and_go()
    {
        await fixture.Plane.StartNodesAsync(2, []);
        try
        {
            await fixture.Plane.KubectlAsync(["run", "greeter", "--image=docker.io/local/busybox:1", "--image-pull-policy=IfNotPresent", "--restart=Never", "--", "-c", "echo hello"]);
            await fixture.Plane.KubectlAsync(["wait", "pod/greeter", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"]);
            Assert.Equal("hello", (await fixture.Plane.KubectlAsync(["logs", "greeter"])).Trim());
            await fixture.Plane.KubectlAsync(["delete", "pod", "greeter"]);
        }
        finally
        {
            await fixture.Plane.StopNodesAsync();
        }
        Assert.Empty(await fixture.Plane.Client.ListAsync<V1Node>());
    }

    private static CoServedModel NewModel(string name, int replicas) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "default" },
        Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" }, Replicas = replicas },
    };
}
