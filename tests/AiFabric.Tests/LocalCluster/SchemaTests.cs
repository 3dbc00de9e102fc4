using AiFabric.LocalCluster.Registry;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class SchemaTests
{
    [Theory]
    [InlineData("{}", "spec.size: Required value")]
    [InlineData("""{"size":0}""", "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1")]
    [InlineData("""{"size":10}""", "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9")]
    [InlineData("""{"size":"x"}""", "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"")]
    [InlineData("""{"size":1.5}""", "spec.size: Invalid value: \"number\": spec.size in body must be of type integer: \"number\"")]
    [InlineData("""{"size":1,"policy":"x"}""", "spec.policy: Unsupported value: \"x\": supported values: \"InferenceFirst\", \"WeightedFair\"")]
    [InlineData("""{"size":1,"name":"AB"}""", "spec.name: Invalid value: \"AB\": spec.name in body should match '^[a-z]+$'")]
    [InlineData("""{"size":1,"name":"a"}""", "spec.name: Invalid value: \"a\": spec.name in body should be at least 2 chars long")]
    [InlineData("""{"size":1,"name":"abcde"}""", "spec.name: Too long: may not be more than 4 bytes")]
    [InlineData("""{"size":1,"port":true}""", "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"")]
    [InlineData("""{"size":1,"tags":["a","b","c"]}""", "spec.tags: Too many: 3: must have at most 2 items")]
    [InlineData("""{"size":1,"tags":["a","a"]}""", "spec.tags[1]: Duplicate value: \"a\"")]
    [InlineData("""{"size":1,"parts":[{"name":"a"},{"name":"a"}]}""", "spec.parts[1]: Duplicate value: {\"name\":\"a\"}")]
    [InlineData("""{"size":1,"parts":[{}]}""", "spec.parts[0].name: Required value")]
    [InlineData("""{"size":1,"either":{}}""", "must validate one and only one schema (oneOf). Found none valid")]
    [InlineData("""{"size":1,"either":{"a":"","b":""}}""", "must validate one and only one schema (oneOf). Found 2 valid alternatives")]
    public void Invalid_custom_resources_are_refused_with_the_field(string spec, string expected)
    {
        using var cluster = new TestCluster();
        var widgets = cluster.DefineWidgets();
        var problem = Assert.Throws<ApiException>(() => cluster.Api.Create(widgets, "default", TestCluster.Widget("one", spec)));
        Assert.Equal(422, problem.Code);
        Assert.Contains(expected, problem.Message, StringComparison.Ordinal);
        Assert.StartsWith("Widget.example.io \"one\" is invalid: ", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_fields_are_refused_warned_about_or_dropped()
    {
        using var cluster = new TestCluster();
        var widgets = cluster.DefineWidgets();
        var body = TestCluster.Widget("one", """{"size":1,"foo":1,"free":{"any":true}}""");
        var problem = Assert.Throws<ApiException>(() => cluster.Api.Create(widgets, "default", body, new() { Validation = FieldValidation.Strict }));
        Assert.Equal(400, problem.Code);
        Assert.EndsWith("strict decoding error: unknown field \"spec.foo\"", problem.Message, StringComparison.Ordinal);

        var warnings = new List<string>();
        var made = cluster.Api.Create(widgets, "default", body, new() { Warnings = warnings });
        Assert.Equal(["unknown field \"spec.foo\""], warnings);
        Assert.Null(made["spec"]!["foo"]);
        Assert.True(made["spec"]!["free"]!["any"]!.GetValue<bool>());
    }

    [Fact]
    public void Defaults_fill_missing_and_null_fields()
    {
        using var cluster = new TestCluster();
        var made = cluster.Api.Create(cluster.DefineWidgets(), "default", TestCluster.Widget("one", """{"size":1,"policy":null}"""));
        Assert.Equal("InferenceFirst", made["spec"]!["policy"]!.GetValue<string>());
        Assert.Equal(1, made["spec"]!["replicas"]!.GetValue<int>());
    }

    [Fact]
    public void Unknown_fields_of_built_in_kinds_are_found_too()
    {
        using var cluster = new TestCluster();
        var pod = TestCluster.Json("""{"metadata":{"name":"p","lables":{}},"spec":{"containers":[{"name":"a","imag":"x"}]}}""");
        var problem = Assert.Throws<ApiException>(() =>
            cluster.Api.Create(cluster.Type("pods"), "default", pod, new() { Validation = FieldValidation.Strict }));
        Assert.Contains("unknown field \"metadata.lables\", unknown field \"spec.containers[0].imag\"", problem.Message, StringComparison.Ordinal);
    }
}
