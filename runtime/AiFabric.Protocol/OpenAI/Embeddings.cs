using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiFabric.Protocol.OpenAI;

/// <summary>Body of <c>POST /v1/embeddings</c>.</summary>
/// <remarks>Source: OpenAI API reference; <c>normalize</c> and <c>priority</c> as in vLLM.</remarks>
public sealed record EmbeddingRequestBody
{
    public string? Model { get; init; }

    /// <summary>A string, a list of strings, a list of token ids, or a list of lists of token ids.</summary>
    public JsonElement? Input { get; init; }

    /// <summary><c>float</c> (the default) or <c>base64</c>: little-endian Float32.</summary>
    public string? EncodingFormat { get; init; }

    /// <summary>Numbers of a vector.</summary>
    public int? Dimensions { get; init; }

    /// <summary>Whether vectors are scaled to length 1; true without it.</summary>
    public bool? Normalize { get; init; }

    /// <summary>Lower is earlier, 0 without it. Orders one tenant's waiting requests among themselves.</summary>
    public int? Priority { get; init; }

    public string? User { get; init; }
}

/// <summary>Answer of <c>POST /v1/embeddings</c>.</summary>
public sealed record EmbeddingList
{
    public string Object { get; set; } = "list";

    /// <summary>In the order of the inputs.</summary>
    public required IReadOnlyList<EmbeddingItem> Data { get; init; }

    public required string Model { get; init; }

    public required EmbeddingUsage Usage { get; init; }
}

public sealed record EmbeddingItem
{
    public string Object { get; set; } = "embedding";

    public required int Index { get; init; }

    public required EmbeddingVector Embedding { get; init; }
}

public sealed record EmbeddingUsage
{
    public required int PromptTokens { get; init; }

    public required int TotalTokens { get; init; }
}

/// <summary>A vector, and whether it is written as base64 or as a list of numbers; both are read.</summary>
/// <param name="Values">Its numbers.</param>
/// <param name="Base64">Whether it is written as base64 of little-endian Float32.</param>
[JsonConverter(typeof(Converter))]
public sealed record EmbeddingVector(float[] Values, bool Base64)
{
    internal sealed class Converter : JsonConverter<EmbeddingVector>
    {
        public override EmbeddingVector Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType == JsonTokenType.String)
            {
                byte[] bytes = reader.GetBytesFromBase64();
                return bytes.Length % sizeof(float) == 0
                    ? new EmbeddingVector(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), true)
                    : throw new JsonException($"{bytes.Length} bytes are no numbers of Float32.");
            }
            if (reader.TokenType != JsonTokenType.StartArray)
                throw new JsonException("An embedding is a list of numbers or base64.");
            var values = new List<float>();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                values.Add(reader.GetSingle());
            return new EmbeddingVector([.. values], false);
        }

        public override void Write(Utf8JsonWriter writer, EmbeddingVector value, JsonSerializerOptions options)
        {
            if (value.Base64)
            {
                writer.WriteBase64StringValue(MemoryMarshal.AsBytes(value.Values.AsSpan()));
                return;
            }
            writer.WriteStartArray();
            foreach (float number in value.Values)
                writer.WriteNumberValue(number);
            writer.WriteEndArray();
        }
    }
}
