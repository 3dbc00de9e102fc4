using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Kube;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Kube;

public sealed class TypedJsonTests
{
    [Theory]
    [InlineData("\"16Gi\"", "16Gi")]
    [InlineData("\"500m\"", "500m")]
    [InlineData("\".5Ki\"", "512")]
    [InlineData("\"1e3\"", "1e3")]
    [InlineData("2", "2")]
    [InlineData("0.5", "500m")]
    public void A_quantity_is_read_whether_text_or_number(string json, string written) => Assert.Equal(written, Read(json).ToString());

    [Theory]
    [InlineData("20GB")]
    [InlineData("16 GB")]
    [InlineData("16 Gi")]
    [InlineData("Gi")]
    [InlineData("")]
    [InlineData("1/2")]
    [InlineData("1e")]
    [InlineData("1e1.5")]
    [InlineData("1e999999999")]
    [InlineData("-1e3")]
    [InlineData("99999999999999999999999999999999")]
    public void What_is_no_quantity_is_told_with_the_fields_path(string text)
    {
        JsonException e = Assert.Throws<JsonException>(() => Read($"\"{text}\""));
        Assert.Equal("$.emptyDir.sizeLimit", e.Path);
        Assert.StartsWith($"'{text}' is no quantity", e.Message, StringComparison.Ordinal);
    }

    private static ResourceQuantity Read(string json) =>
        TypedJson.Read<V1Volume>(JsonNode.Parse($$$"""{"name":"tmp","emptyDir":{"sizeLimit":{{{json}}}}}""")!)!.EmptyDir.SizeLimit;
}
