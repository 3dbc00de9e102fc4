using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class RegistryTests : IDisposable
{
    private readonly TestCluster _cluster = new();
    private readonly ResourceType _widgets;

    public RegistryTests() => _widgets = _cluster.DefineWidgets();

    public void Dispose() => _cluster.Dispose();

    [Fact]
    public void A_stale_resource_version_is_a_conflict()
    {
        var first = Create("one");
        Assert.Equal(2, Update(first, body => body["spec"]!["size"] = 2).Whole("spec", "size"));
        var problem = Assert.Throws<ApiException>(() => Update(first, body => body["spec"]!["size"] = 3));
        Assert.Equal((409, "Conflict"), (problem.Code, problem.Reason));
    }

    [Fact]
    public void An_update_that_changes_nothing_keeps_the_resource_version()
    {
        var made = Create("one");
        Assert.Equal(made.Text("metadata", "resourceVersion"), Update(made, _ => { }).Text("metadata", "resourceVersion"));
    }

    [Fact]
    public void Generation_counts_changes_of_the_spec_alone()
    {
        var made = Create("one");
        made = Update(made, body => body["metadata"]!["labels"] = new JsonObject { ["a"] = "b" });
        made["status"] = new JsonObject { ["replicas"] = 1 };
        made = _cluster.Api.Update(_widgets, "default", "one", made, "status");
        Assert.Equal(1, made.Whole("metadata", "generation"));
        Assert.Equal(2, Update(made, body => body["spec"]!["size"] = 2).Whole("metadata", "generation"));
    }

    [Fact]
    public void Status_and_spec_are_written_through_their_own_endpoints()
    {
        var made = Create("one");
        made["status"] = new JsonObject { ["replicas"] = 1 };
        made["spec"]!["size"] = 7;
        Assert.Null(_cluster.Api.Update(_widgets, "default", "one", made)["status"]);
        made = _cluster.Api.Get(_widgets, "default", "one")!;
        made["status"] = new JsonObject { ["replicas"] = 2 };
        made["spec"]!["size"] = 8;
        made = _cluster.Api.Update(_widgets, "default", "one", made, "status");
        Assert.Equal((7L, 2L), (made.Whole("spec", "size"), made.Whole("status", "replicas")));
    }

    [Fact]
    public void Finalizers_hold_a_deleted_object_until_the_last_is_gone()
    {
        var body = TestCluster.Widget("one", """{"size":1}""");
        body["metadata"]!["finalizers"] = new JsonArray("example.io/a");
        _cluster.Api.Create(_widgets, "default", body);
        var kept = _cluster.Api.Delete(_widgets, "default", "one");
        Assert.NotNull(kept.Text("metadata", "deletionTimestamp"));
        Update(kept, found => found["metadata"]!.AsObject().Remove("finalizers"));
        Assert.Null(_cluster.Api.Get(_widgets, "default", "one"));
    }

    [Fact]
    public void The_namespaces_of_every_cluster_are_not_deleted()
    {
        var problem = Assert.Throws<ApiException>(() => _cluster.Api.Delete(_cluster.Type("namespaces"), null, "default"));
        Assert.Equal((403, "namespaces \"default\" is forbidden: this namespace may not be deleted"), (problem.Code, problem.Message));
        _cluster.Api.Create(_cluster.Type("namespaces"), null, TestCluster.Json("""{"metadata":{"name":"own"}}"""));
        Assert.Equal("Terminating", _cluster.Api.Delete(_cluster.Type("namespaces"), null, "own").Text("status", "phase"));
    }

    [Fact]
    public void A_pod_on_a_node_is_deleted_in_two_steps()
    {
        var pods = _cluster.Type("pods");
        _cluster.Api.Create(pods, "default", TestCluster.Json(
            """{"metadata":{"name":"p"},"spec":{"nodeName":"local","terminationGracePeriodSeconds":5,"containers":[{"name":"c","image":"i"}]}}"""));
        var stopping = _cluster.Api.Delete(pods, "default", "p");
        Assert.Equal(5, stopping.Whole("metadata", "deletionGracePeriodSeconds"));
        Assert.NotNull(_cluster.Api.Get(pods, "default", "p"));
        _cluster.Api.Delete(pods, "default", "p", new() { GracePeriodSeconds = 0 });
        Assert.Null(_cluster.Api.Get(pods, "default", "p"));
    }

    [Fact]
    public void Objects_need_their_namespace_and_a_proper_name()
    {
        Assert.Equal(404, Assert.Throws<ApiException>(() => _cluster.Api.Create(_widgets, "nowhere", TestCluster.Widget("one", """{"size":1}"""))).Code);
        Assert.Equal(422, Assert.Throws<ApiException>(() => _cluster.Api.Create(_widgets, "default", TestCluster.Widget("One", """{"size":1}"""))).Code);
        Create("one");
        Assert.Equal("AlreadyExists", Assert.Throws<ApiException>(() => Create("one")).Reason);
    }

    [Fact]
    public void Deleting_a_definition_deletes_its_resources_and_stops_serving_them()
    {
        Create("one");
        _cluster.Api.Delete(_cluster.Type("customresourcedefinitions", "apiextensions.k8s.io"), null, "widgets.example.io");
        Assert.Null(_cluster.Api.FindType("example.io", "widgets"));
        Assert.Empty(_cluster.Store.List("widgets.example.io", null).Items);
    }

    [Fact]
    public void Secrets_take_plain_text_and_services_get_addresses()
    {
        var secret = _cluster.Api.Create(_cluster.Type("secrets"), "default", TestCluster.Json("""{"metadata":{"name":"s"},"stringData":{"a":"b"}}"""));
        Assert.Equal(("Yg==", "Opaque"), (secret.Text("data", "a"), secret.Text("type")));
        var one = Service("one").Text("spec", "clusterIP");
        var two = Service("two").Text("spec", "clusterIP");
        Assert.StartsWith("127.96.", one, StringComparison.Ordinal);
        Assert.NotEqual(one, two);
    }

    [Fact]
    public void Both_event_apis_show_the_same_events()
    {
        _cluster.Api.Create(_cluster.Type("events", "events.k8s.io"), "default", TestCluster.Json(
            """{"metadata":{"name":"e"},"note":"hello","regarding":{"kind":"Pod","name":"p"},"reason":"R","type":"Normal"}"""));
        var core = _cluster.Api.List(_cluster.Type("events"), "default", null, "involvedObject.name=p").Items.Single();
        Assert.Equal(("v1", "hello"), (core.Text("apiVersion"), core.Text("message")));
    }

    private JsonObject Create(string name) => _cluster.Api.Create(_widgets, "default", TestCluster.Widget(name, """{"size":1}"""));

    private JsonObject Service(string name) => _cluster.Api.Create(
        _cluster.Type("services"), "default", TestCluster.Json($$"""{"metadata":{"name":"{{name}}"},"spec":{"ports":[{"port":80}]} }"""));

    private JsonObject Update(JsonObject found, Action<JsonObject> change)
    {
        var body = found.Clone();
        change(body);
        return _cluster.Api.Update(_widgets, "default", found.Text("metadata", "name")!, body);
    }
}
