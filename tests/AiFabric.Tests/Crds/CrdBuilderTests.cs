using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using AiFabric.Crds.Abstractions;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Schema;
using k8s.Models;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace AiFabric.Tests.Crds;

public sealed class CrdBuilderTests
{
    private readonly CrdBuilder _builder = new(typeof(CrdBuilderTests).Assembly);

    [Fact]
    public void Names_scope_and_category_come_from_the_attributes()
    {
        JsonNode spec = _builder.Build(typeof(Widget))["spec"]!;
        Assert.Equal(
            """{"categories":["aifabric"],"kind":"Widget","listKind":"WidgetList","plural":"widgets","shortNames":["wd","wdg"],"singular":"widget"}""",
            spec["names"]!.ToJsonString());
        Assert.Equal("Cluster", spec["scope"]!.GetValue<string>());
        Assert.Equal("widgets.example.com", _builder.Build(typeof(Widget))["metadata"]!["name"]!.GetValue<string>());
    }

    [Fact]
    public void Status_is_a_subresource_and_scale_is_one_where_asked_for()
    {
        Assert.Equal("""{"status":{}}""", Version(typeof(Widget))["subresources"]!.ToJsonString());
        JsonNode model = Version(typeof(CoServedModel), new CrdBuilder(typeof(CoServedModel).Assembly));
        Assert.Equal(".status.selector", model["subresources"]!["scale"]!["labelSelectorPath"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("count", """{"type":"integer","format":"int32","default":3,"minimum":1,"maximum":9}""")]
    [InlineData("big", """{"type":"integer","format":"int64"}""")]
    [InlineData("name", """{"description":"What it is called.","type":"string","minLength":1,"maxLength":63,"pattern":"^[a-z]+$"}""")]
    [InlineData("on", """{"type":"boolean","default":false}""")]
    [InlineData("when", """{"type":"string","format":"date-time"}""")]
    [InlineData("mode", """{"type":"string","enum":["Fast","very-slow"],"default":"Fast"}""")]
    [InlineData("labels", """{"type":"object","additionalProperties":{"type":"string"}}""")]
    [InlineData("tags", """{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":4}""")]
    [InlineData("port", """{"anyOf":[{"type":"integer"},{"type":"string"}],"x-kubernetes-int-or-string":true}""")]
    [InlineData("template", """{"type":"object","x-kubernetes-preserve-unknown-fields":true}""")]
    [InlineData("other_name", """{"type":"string"}""")]
    public void Property_becomes(string name, string schema) =>
        Assert.Equal(schema, Properties("spec")[name]!.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));

    [Fact]
    public void Quantities_of_resources_are_int_or_string_with_a_pattern()
    {
        JsonNode limits = Properties("spec")["resources"]!["properties"]!["limits"]!["additionalProperties"]!;
        Assert.True(limits["x-kubernetes-int-or-string"]!.GetValue<bool>());
        Assert.StartsWith("^", limits["pattern"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public void Conditions_are_a_map_keyed_by_type()
    {
        JsonNode conditions = Properties("status")["conditions"]!;
        Assert.Equal("map", conditions["x-kubernetes-list-type"]!.GetValue<string>());
        Assert.Equal("""["type"]""", conditions["x-kubernetes-list-map-keys"]!.ToJsonString());
        Assert.Equal("""["lastTransitionTime","message","reason","status","type"]""", conditions["items"]!["required"]!.ToJsonString());
    }

    [Fact]
    public void Ignored_properties_are_left_out_and_base_properties_come_first() => Assert.Equal(
        ["big", "count"], Properties("spec").Select(p => p.Key).Take(2).ToArray());

    [Fact]
    public void Rules_stand_on_types_and_on_properties()
    {
        JsonNode spec = Schema()["properties"]!["spec"]!;
        Assert.Equal("""[{"rule":"self.count < 5","message":"too many"}]""", Plain(spec["x-kubernetes-validations"]!));
        Assert.Equal(
            """[{"rule":"has(self.a)","message":"needs a"},{"rule":"self == oldSelf","message":"inner is immutable"}]""",
            Plain(spec["properties"]!["inner"]!["x-kubernetes-validations"]!));
    }

    [Fact]
    public void Required_fields_are_listed_and_make_the_spec_required()
    {
        Assert.Equal("""["name"]""", Schema()["properties"]!["spec"]!["required"]!.ToJsonString());
        Assert.Equal("""["spec"]""", Schema()["required"]!.ToJsonString());
    }

    [Fact]
    public void Columns_of_properties_come_before_those_by_path() => Assert.Equal(
        """[{"jsonPath":".spec.big","name":"Big","priority":1,"type":"integer"},{"jsonPath":".metadata.creationTimestamp","name":"Age","type":"date"}]""",
        Version(typeof(Widget))["additionalPrinterColumns"]!.ToJsonString());

    [Theory]
    [InlineData(typeof(Broken<FloatSpec>), "FloatSpec.Rate: the API has no floats")]
    [InlineData(typeof(Broken<CircleSpec>), "CircleSpec.Again:")]
    [InlineData(typeof(Broken<OpenSpec>), "OpenSpec.Anything: Object has no fields to describe")]
    [InlineData(typeof(Broken<DefaultSpec>), "DefaultSpec.Mode: the default Slow is none of")]
    [InlineData(typeof(Broken<BoundSpec>), "BoundSpec.Name: a range is for type integer, not string")]
    [InlineData(typeof(Broken<KeySpec>), "KeySpec.Items: the map key 'name' must be a required property")]
    [InlineData(typeof(string), "is no kind")]
    public void Type_the_API_cannot_carry_is_refused_with_the_property_named(Type kind, string message) =>
        Assert.Contains(message, Assert.Throws<CrdException>(() => _builder.Build(kind)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("plain words, and more.")]
    [InlineData("yes")]
    [InlineData("1.0")]
    [InlineData("1e3")]
    [InlineData("0x1F")]
    [InlineData("~")]
    [InlineData("")]
    [InlineData(" lead")]
    [InlineData("trail ")]
    [InlineData("a: b")]
    [InlineData("a #b")]
    [InlineData("- a")]
    [InlineData("sha256:…")]
    [InlineData("tab\tnew\nline \"quoted\" \\ back")]
    [InlineData("2026-01-01")]
    [InlineData("{a}")]
    [InlineData("*a")]
    public void Any_string_survives_the_yaml(string text)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(CrdYaml.Write(new JsonObject { ["list"] = new JsonArray(new JsonObject { [text.Length == 0 ? "k" : text] = text }) })));
        var item = (YamlMappingNode)((YamlSequenceNode)((YamlMappingNode)yaml.Documents[0].RootNode)["list"])[0];
        var value = (YamlScalarNode)item.Children[0].Value;
        Assert.Equal(text, value.Value);
        // A plain scalar must not be one that YAML reads as something else.
        if (value.Style == YamlDotNet.Core.ScalarStyle.Plain)
            Assert.Matches("^[A-Za-z]{4}", text);
    }

    private static string Plain(JsonNode node) =>
        node.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    private JsonNode Version(Type kind, CrdBuilder? builder = null) => (builder ?? _builder).Build(kind)["spec"]!["versions"]![0]!;

    private JsonNode Schema() => Version(typeof(Widget))["schema"]!["openAPIV3Schema"]!;

    private JsonObject Properties(string part) => Schema()["properties"]![part]!["properties"]!.AsObject();
}

public enum WidgetMode
{
    Fast,

    [JsonStringEnumMemberName("very-slow")]
    Slow,
}

public abstract class WidgetBase
{
    [AdditionalPrinterColumn(Priority = 1)]
    public long? Big { get; set; }
}

[ValidationRule("self.count < 5", "too many")]
public sealed class WidgetSpec : WidgetBase
{
    [Default(3)]
    [RangeMinimum(1)]
    [RangeMaximum(9)]
    public int? Count { get; set; }

    /// <summary>What it is called.</summary>
    [Required]
    [Length(1, 63)]
    [Pattern("^[a-z]+$")]
    public string Name { get; set; } = "";

    [Default(false)]
    public bool? On { get; set; }

    public DateTime? When { get; set; }

    [Default(WidgetMode.Fast)]
    public WidgetMode? Mode { get; set; }

    public IDictionary<string, string>? Labels { get; set; }

    [Items(1, 4)]
    public IList<string>? Tags { get; set; }

    public IntOrString? Port { get; set; }

    public V1ResourceRequirements? Resources { get; set; }

    [PreserveUnknownFields]
    public V1PodTemplateSpec? Template { get; set; }

    [JsonPropertyName("other_name")]
    public string? Renamed { get; set; }

    [JsonIgnore]
    public object? Hidden { get; set; }

    [ValidationRule("self == oldSelf", "inner is immutable")]
    public WidgetInner? Inner { get; set; }
}

[ValidationRule("has(self.a)", "needs a")]
public sealed class WidgetInner
{
    public string? A { get; set; }
}

public sealed class WidgetStatus
{
    [ListMapKeys("type")]
    public IList<V1Condition>? Conditions { get; set; }
}

[KubernetesEntity(Group = "example.com", ApiVersion = "v1", Kind = "Widget", PluralName = "widgets")]
[KubernetesEntityShortNames("wd", "wdg")]
[EntityScope(EntityScope.Cluster)]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class Widget : CustomKubernetesEntity<WidgetSpec, WidgetStatus>;

[KubernetesEntity(Group = "example.com", ApiVersion = "v1", Kind = "Broken", PluralName = "brokens")]
public sealed class Broken<TSpec> : CustomKubernetesEntity<TSpec, WidgetStatus>
    where TSpec : new();

public sealed class FloatSpec
{
    public double Rate { get; set; }
}

public sealed class CircleSpec
{
    public CircleSpec? Again { get; set; }
}

public sealed class OpenSpec
{
    public object? Anything { get; set; }
}

public sealed class DefaultSpec
{
    [Default("Slow")]
    public WidgetMode? Mode { get; set; }
}

public sealed class BoundSpec
{
    [RangeMinimum(1)]
    public string? Name { get; set; }
}

public sealed class KeySpec
{
    [ListMapKeys("name")]
    public IList<WidgetInner>? Items { get; set; }
}
