using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class ApplyTests : IDisposable
{
    private readonly TestCluster _cluster = new();
    private readonly ResourceType _widgets;

    public ApplyTests() => _widgets = _cluster.DefineWidgets();

    public void Dispose() => _cluster.Dispose();

    [Fact]
    public void Apply_creates_and_owns_only_what_it_sets()
    {
        var made = Apply("""{"spec":{"size":3,"parts":[{"name":"a","count":1}]}}""", "alice");
        Assert.Equal(
            """{"f:spec":{"f:parts":{"k:{\"name\":\"a\"}":{".":{},"f:count":{},"f:name":{}}},"f:size":{}}}""",
            Entry(made, "alice")["fieldsV1"]!.ToJsonString(new(System.Text.Json.JsonSerializerDefaults.General)
            {
                Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            }));
        Assert.Equal("InferenceFirst", made.Text("spec", "policy"));
    }

    [Fact]
    public void Applying_the_same_again_writes_nothing()
    {
        var first = Apply("""{"spec":{"size":3}}""", "alice");
        _cluster.Clock.Advance(TimeSpan.FromMinutes(1));
        var second = Apply("""{"spec":{"size":3}}""", "alice");
        Assert.True(JsonNode.DeepEquals(first, second));
    }

    [Fact]
    public void A_changed_field_of_another_manager_is_a_conflict_until_forced()
    {
        Apply("""{"spec":{"size":3}}""", "alice");
        var problem = Assert.Throws<ApiException>(() => Apply("""{"spec":{"size":4}}""", "bob"));
        Assert.Equal("Apply failed with 1 conflict: conflict with \"alice\": .spec.size", problem.Message);
        var cause = problem.ToStatus().Items("details", "causes")!.Single();
        Assert.Equal(("FieldManagerConflict", ".spec.size"), (cause.Text("reason"), cause.Text("field")));

        var forced = _cluster.Apply(_widgets, "one", """{"spec":{"size":4}}""", "bob", force: true);
        Assert.Equal(4, forced.Whole("spec", "size"));
        Assert.Equal(["bob"], Managers(forced));
    }

    [Fact]
    public void The_same_value_is_shared_and_no_conflict()
    {
        Apply("""{"spec":{"size":3}}""", "alice");
        Assert.Equal(["alice", "bob"], Managers(Apply("""{"spec":{"size":3}}""", "bob")));
    }

    [Fact]
    public void A_field_left_out_goes_unless_another_manager_owns_it()
    {
        Apply("""{"metadata":{"labels":{"x":"1","y":"1"}},"spec":{"size":3,"name":"ab","parts":[{"name":"a"},{"name":"b","count":2}]}}""", "alice");
        Apply("""{"spec":{"size":3,"name":"ab"}}""", "bob");
        var made = Apply("""{"metadata":{"labels":{"y":"1"}},"spec":{"size":3,"parts":[{"name":"a"}]}}""", "alice");
        Assert.Equal("""{"y":"1"}""", made.Map("metadata", "labels")!.ToJsonString());
        Assert.Equal("ab", made.Text("spec", "name"));
        Assert.Equal(["a"], made.Items("spec", "parts")!.Select(part => part.Text("name")));
    }

    [Fact]
    public void An_update_takes_over_the_fields_it_changes()
    {
        var made = Apply("""{"spec":{"size":3,"name":"ab"}}""", "alice");
        made["spec"]!["size"] = 5;
        var updated = _cluster.Api.Update(_widgets, "default", "one", made, null, new() { FieldManager = "editor" });
        Assert.Equal("""{"f:spec":{"f:name":{}}}""", Entry(updated, "alice")["fieldsV1"]!.ToJsonString());
        Assert.Equal("""{"f:spec":{"f:size":{}}}""", Entry(updated, "editor")["fieldsV1"]!.ToJsonString());
    }

    [Fact]
    public void Status_is_applied_apart_by_its_own_manager()
    {
        Apply("""{"spec":{"size":3},"status":{"replicas":9}}""", "alice");
        var made = _cluster.Apply(_widgets, "one", """{"spec":{"size":8},"status":{"replicas":2}}""", "controller", subresource: "status");
        Assert.Equal((3L, 2L), (made.Whole("spec", "size"), made.Whole("status", "replicas")));
        Assert.Equal(1, made.Whole("metadata", "generation"));
        Assert.Equal("status", Entry(made, "controller").Text("subresource"));
    }

    [Fact]
    public void Built_in_lists_merge_by_their_keys()
    {
        var deployments = _cluster.Type("deployments", "apps");
        const string Template = """
            {"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i",
             "ports":[{"containerPort":80}],"env":[{"name":"A","value":"1"}]}]}}}}
            """;
        _cluster.Apply(deployments, "d", Template, "alice");
        var made = _cluster.Apply(
            deployments, "d", """{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"B","value":"2"}]}]}}}}""", "bob");
        var container = made.Items("spec", "template", "spec", "containers")!.Single();
        Assert.Equal(["A", "B"], container.Items("env")!.Select(one => one.Text("name")));
        Assert.True(JsonNode.DeepEquals(made, _cluster.Apply(deployments, "d", Template, "alice")), "the defaulted port protocol is no change");
    }

    private JsonObject Apply(string config, string manager) => _cluster.Apply(_widgets, "one", config, manager);

    private static string[] Managers(JsonObject found) => [.. found.Items("metadata", "managedFields")!.Select(one => one.Text("manager")!).Order()];

    private static JsonObject Entry(JsonObject found, string manager) =>
        (JsonObject)found.Items("metadata", "managedFields")!.Single(one => one.Text("manager") == manager)!;
}
