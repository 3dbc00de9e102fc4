using System.Text.Json;
using Xunit;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>Wrong values are refused before anything is installed, and the refusal names the value.</summary>
[Trait("Suite", "e2e")]
public sealed class ChartSchemaTests
{
    private static readonly (string Set, string Names)[] Wrong =
    [
        ("operater.replicas=1", "operater"),
        ("operator.replica=1", "replica"),
        ("operator.replicas=-1", "replicas"),
        ("operator.replicas=two", "replicas"),
        ("operator.image.digest=abc", "digest"),
        ("operator.resources.limits.memory=lots", "memory"),
        ("scope=everywhere", "scope"),
        ("data.uri=/var/lib", "uri"),
        ("modelCache.sizeLimit=lots", "sizeLimit"),
        ("gateway.hold.seconds=-1", "seconds"),
        ("gateway.hold.requests=0", "requests"),
        ("gateway.runs.open=0", "open"),
        ("gateway.runs.dapr.stateStor=runs", "stateStor"),
        ("gateway.service.type=Ingress", "type"),
        ("gateway.service.port=70000", "port"),
        ("gateway.publicUrl=example.com", "publicUrl"),
        ("gateway.httpRoute.hostname=example.com", "hostname"),
        ("worker.gpu.cout=1", "cout"),
        ("worker.template.containers[0].name=worker", "containers"),
        ("webhooks.enabled=maybe", "enabled"),
        ("webhooks.failurePolicy=Sometimes", "failurePolicy"),
        ("priorityClasses[0].name=high", "priorityClasses"),
        ("networkPolicy.apiServerCidrs={everywhere}", "apiServerCidrs"),
        ("monitoring.podMonitors.interval=often", "interval"),
        ("aifabric-crds.keeep=true", "keeep"),
    ];

    public static TheoryData<string, int> Cases => new MatrixTheoryData<string, int>(["3.17", "4.1"], Enumerable.Range(0, Wrong.Length));

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_wrong_value_is_refused_by_name(string version, int index)
    {
        (string set, string names) = Wrong[index];
        string said = await new Helm(version).RunAsync(["template", "aifabric", Helm.Chart, "--set", set], exitCode: 1);
        Assert.Contains("values don't meet the specifications of the schema", said, StringComparison.Ordinal);
        Assert.Contains(names, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("3.17", "webhooks.enabled=true,scope=namespace", "webhooks.enabled")]
    [InlineData("4.1", "webhooks.enabled=true,scope=namespace", "webhooks.enabled")]
    [InlineData("3.17", "gateway.httpRoute.enabled=true", "gateway.httpRoute.parentRefs")]
    [InlineData("4.1", "gateway.httpRoute.enabled=true", "gateway.httpRoute.parentRefs")]
    [InlineData("3.17", "gateway.runs.claimName=runs", "gateway.replicas=1")]
    [InlineData("4.1", "gateway.runs.claimName=runs", "gateway.replicas=1")]
    [InlineData("3.17", "gateway.replicas=1,gateway.runs.claimName=runs,gateway.runs.dapr.stateStore=state", "exclude each other")]
    [InlineData("4.1", "gateway.runs.dapr.pubSub=events", "gateway.runs.dapr.stateStore")]
    [InlineData("3.17", "modelCache.hostPath=/models,modelCache.claimName=models", "modelCache")]
    [InlineData("4.1", "modelCache.hostPath=/models,modelCache.claimName=models", "modelCache")]
    [InlineData("3.17", "operator.serviceAccount.create=false", "operator.serviceAccount.name")]
    [InlineData("4.1", "operator.serviceAccount.create=false", "operator.serviceAccount.name")]
    public async Task Values_that_do_not_go_together_are_refused_with_a_way_out(string version, string set, string names)
    {
        string said = await new Helm(version).RunAsync(["template", "aifabric", Helm.Chart, "--set", set], exitCode: 1);
        Assert.Contains(names, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("values.schema.json")]
    [InlineData("charts/aifabric-crds/values.schema.json")]
    public void Every_object_with_known_keys_refuses_others(string file)
    {
        using JsonDocument schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(Helm.Chart, file)));
        Assert.All(ObjectsOf(schema.RootElement), item => Assert.False(item.GetProperty("additionalProperties").GetBoolean()));
    }

    private static IEnumerable<JsonElement> ObjectsOf(JsonElement node) => node.ValueKind switch
    {
        JsonValueKind.Object => node.EnumerateObject().SelectMany(field => ObjectsOf(field.Value))
            .Concat(node.TryGetProperty("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object
                && node.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String ? [node] : []),
        JsonValueKind.Array => node.EnumerateArray().SelectMany(ObjectsOf),
        _ => [],
    };
}
