using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Patches;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Schema;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class PatchTests
{
    private static readonly SchemaNode Deployment = BuiltInSchemas.For(BuiltInTypes.All.First(type => type.Kind == "Deployment"))!;

    /// <summary>The test cases of RFC 7396, appendix A.</summary>
    [Theory]
    [InlineData("""{"a":"b"}""", """{"a":"c"}""", """{"a":"c"}""")]
    [InlineData("""{"a":"b"}""", """{"b":"c"}""", """{"a":"b","b":"c"}""")]
    [InlineData("""{"a":"b"}""", """{"a":null}""", "{}")]
    [InlineData("""{"a":["b"]}""", """{"a":"c"}""", """{"a":"c"}""")]
    [InlineData("""{"a":{"b":"c"}}""", """{"a":{"b":"d","c":null}}""", """{"a":{"b":"d"}}""")]
    [InlineData("""{"a":[{"b":"c"}]}""", """{"a":[1]}""", """{"a":[1]}""")]
    [InlineData("""{"e":null}""", """{"a":1}""", """{"e":null,"a":1}""")]
    [InlineData("{}", """{"a":{"bb":{"ccc":null}}}""", """{"a":{"bb":{}}}""")]
    public void Merge_patch_follows_the_rfc(string target, string patch, string expected) =>
        AssertJson(expected, MergePatch.Apply(JsonNode.Parse(target), JsonNode.Parse(patch)));

    [Theory]
    [InlineData("""[{"op":"add","path":"/b","value":1}]""", """{"a":[1,2],"b":1}""")]
    [InlineData("""[{"op":"add","path":"/a/1","value":9}]""", """{"a":[1,9,2]}""")]
    [InlineData("""[{"op":"add","path":"/a/-","value":9}]""", """{"a":[1,2,9]}""")]
    [InlineData("""[{"op":"remove","path":"/a/0"}]""", """{"a":[2]}""")]
    [InlineData("""[{"op":"replace","path":"/a","value":{"x~/y":1}},{"op":"remove","path":"/a/x~0~1y"}]""", """{"a":{}}""")]
    [InlineData("""[{"op":"move","from":"/a","path":"/c"}]""", """{"c":[1,2]}""")]
    [InlineData("""[{"op":"copy","from":"/a/0","path":"/c"}]""", """{"a":[1,2],"c":1}""")]
    [InlineData("""[{"op":"test","path":"/a/0","value":1}]""", """{"a":[1,2]}""")]
    public void Json_patch_does_every_operation(string patch, string expected) =>
        AssertJson(expected, JsonPatch.Apply(TestCluster.Json("""{"a":[1,2]}"""), JsonNode.Parse(patch)));

    [Theory]
    [InlineData("""[{"op":"test","path":"/a/0","value":2}]""", 422)]
    [InlineData("""[{"op":"remove","path":"/x"}]""", 422)]
    [InlineData("""[{"op":"add","path":"/a/7","value":2}]""", 422)]
    [InlineData("""[{"op":"sing","path":"/a"}]""", 400)]
    [InlineData("""{"a":1}""", 400)]
    public void Json_patch_that_does_not_fit_is_refused(string patch, int code)
    {
        var problem = Assert.Throws<ApiException>(() => JsonPatch.Apply(TestCluster.Json("""{"a":[1,2]}"""), JsonNode.Parse(patch)));
        Assert.Equal(code, problem.Code);
    }

    [Theory]
    [InlineData("""{"containers":[{"name":"b","image":"2"}]}""", """[{"name":"a","image":"1"},{"name":"b","image":"2"}]""")]
    [InlineData("""{"containers":[{"name":"a","image":"9"}]}""", """[{"name":"a","image":"9"},{"name":"b","image":"1"}]""")]
    [InlineData("""{"containers":[{"name":"a","$patch":"delete"}]}""", """[{"name":"b","image":"1"}]""")]
    [InlineData("""{"containers":[{"$patch":"replace"},{"name":"z"}]}""", """[{"name":"z"}]""")]
    [InlineData("""{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}""", """[{"name":"b","image":"1"},{"name":"a","image":"1"}]""")]
    public void Strategic_merge_merges_containers_by_name(string spec, string expected)
    {
        var target = TestCluster.Json("""{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]}}}}""");
        var patch = TestCluster.Json("""{"spec":{"template":{"spec":""" + spec + "}}}");
        AssertJson(expected, StrategicMerge.Apply(target, patch, Deployment)["spec"]!["template"]!["spec"]!["containers"]);
    }

    [Fact]
    public void Strategic_merge_adds_to_and_takes_from_finalizers()
    {
        var target = TestCluster.Json("""{"metadata":{"finalizers":["a","b"]}}""");
        var patch = TestCluster.Json("""{"metadata":{"finalizers":["c"],"$deleteFromPrimitiveList/finalizers":["a"]}}""");
        var merged = StrategicMerge.Apply(target, patch, Deployment)["metadata"]!["finalizers"]!.AsArray();
        Assert.Equal(["b", "c"], merged.Select(one => one!.ToString()).Order());
    }

    private static void AssertJson(string expected, JsonNode? actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), actual), $"expected {expected}, got {actual?.ToJsonString()}");
}
