using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;

namespace AiFabric.Kube;

/// <summary>
/// Reads the client's types so that whatever does not fit them is a <see cref="JsonException"/>. Converters of the client throw other exceptions at a
/// quantity, a time or a port that is none, and System.Text.Json lets those pass.
/// </summary>
public static class TypedJson
{
    /// <summary>The client's own, but for quantities. Read-only: to change anything, copy them.</summary>
    public static JsonSerializerOptions Options { get; } = MakeOptions();

    /// <summary>Reads a value of the type; null for JSON's null.</summary>
    /// <exception cref="JsonException">The JSON does not fit the type.</exception>
    public static T? Read<T>(JsonElement json) => Guard(() => json.Deserialize<T>(Options));

    /// <summary>Reads a value of the type; null for JSON's null.</summary>
    /// <param name="json">What to read.</param>
    /// <param name="options">Instead of <see cref="Options"/>.</param>
    /// <exception cref="JsonException">The JSON does not fit the type.</exception>
    public static T? Read<T>(JsonNode json, JsonSerializerOptions? options = null) => Guard(() => json.Deserialize<T>(options ?? Options));

    private static T? Guard<T>(Func<T?> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is ArgumentException or FormatException or OverflowException or NotSupportedException)
        {
            throw new JsonException(e.Message, e);
        }
    }

    private static JsonSerializerOptions MakeOptions()
    {
        JsonSerializerOptions? client = null;
        KubernetesJson.AddJsonOptions(options => client = options);
        var made = new JsonSerializerOptions(client ?? JsonSerializerOptions.Default);
        made.Converters.Insert(0, new QuantityConverter());
        made.MakeReadOnly();
        return made;
    }
}
