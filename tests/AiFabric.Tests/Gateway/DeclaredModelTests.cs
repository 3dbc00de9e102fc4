using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Gateway.Routing;
using k8s.Models;
using Xunit;
using AdapterSpec = AiFabric.Crds.Adapters.AdapterSpec;

namespace AiFabric.Tests.Gateway;

public sealed class DeclaredModelTests
{
    [Fact]
    public void A_model_is_read_with_its_served_name_and_its_adapters_that_have_not_failed()
    {
        CoServedModel model = Model(spec => spec.Model.Name = "org/model");
        DeclaredModel read = Read(model, Adapter("fr"), Adapter("de", failed: true), Adapter("other", model: "another"));
        Assert.Equal(("org/model", false, false), (read.ServedName, read.IsStopped, read.SleepsWhenIdle));
        Assert.Equal(["fr"], read.Adapters);
    }

    [Theory]
    [InlineData(0, null, true, false)]
    [InlineData(1, null, false, false)]
    [InlineData(null, 0, false, true)]
    [InlineData(null, 1, false, false)]
    public void Zero_replicas_stop_a_model_and_zero_minReplicas_let_it_sleep(int? replicas, int? minReplicas, bool stopped, bool sleeps)
    {
        DeclaredModel read = Read(Model(spec =>
        {
            spec.Replicas = replicas;
            spec.Scaling = minReplicas is null ? null : new ScalingSpec { MinReplicas = minReplicas, MaxReplicas = 2 };
        }));
        Assert.Equal(("demo", stopped, sleeps), (read.ServedName, read.IsStopped, read.SleepsWhenIdle));
    }

    private static DeclaredModel Read(CoServedModel model, params Adapter[] adapters) =>
        DeclaredModel.Read([model], adapters)[new ModelKey("team", "demo")];

    private static CoServedModel Model(Action<CoServedModelSpec> change)
    {
        var model = new CoServedModel { Metadata = new V1ObjectMeta { Name = "demo", NamespaceProperty = "team" }, Spec = new CoServedModelSpec() };
        change(model.Spec);
        return model;
    }

    private static Adapter Adapter(string name, bool failed = false, string model = "demo") => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "team" },
        Spec = new AdapterSpec { ModelRef = new LocalReference { Name = model } },
        Status = new AdapterStatus { Conditions = [new V1Condition { Type = AdapterConditions.Failed, Status = failed ? "True" : "False" }] },
    };
}
