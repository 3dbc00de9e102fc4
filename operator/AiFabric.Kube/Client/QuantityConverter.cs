using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>
/// Reads quantities by the API's grammar (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/). What is none is a
/// <see cref="JsonException"/>, which gets the field's path; the client's own converter throws what gets none, and does not end for some exponents.
/// </summary>
internal sealed partial class QuantityConverter : JsonConverter<ResourceQuantity>
{
    private const string Number = @"(?:[0-9]{1,32}(?:\.[0-9]{0,32})?|\.[0-9]{1,32})";

    public override ResourceQuantity Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        string text = JsonElement.ParseValue(ref reader).ToString();
        return Parse(text)
            ?? throw new JsonException($"'{text}' is no quantity: write a number, and a unit where one is needed, such as 500m, 20G or 16Gi");
    }

    public override void Write(Utf8JsonWriter writer, ResourceQuantity value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());

    /// <returns>Null for what is none, or is too large to be written again.</returns>
    private static ResourceQuantity? Parse(string text)
    {
        if (!Quantity().IsMatch(text))
            return null;
        try
        {
            var quantity = new ResourceQuantity(text);
            return quantity.CanonicalizeString().Length > 0 ? quantity : null;
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    // The client never ends writing a negative number with an exponent.
    [GeneratedRegex(@"^[+-]?" + Number + @"(?:[numkMGTPE]|[KMGTPE]i)?\z|^\+?" + Number + @"[eE][+-]?[0-9]{1,2}\z")]
    private static partial Regex Quantity();
}
