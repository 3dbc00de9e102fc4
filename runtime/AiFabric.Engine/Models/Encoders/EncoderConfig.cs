using System.Text.Json;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>The shape of an encoder, as a <c>config.json</c> states it with Hugging Face's names.</summary>
public sealed record EncoderConfig
{
    /// <summary>Cer et al., "Universal Sentence Encoder" (arXiv 1803.11175), in its Lite variant: two pre-norm layers, mean, tanh.</summary>
    public const string UseLite = "universal-sentence-encoder-lite";

    private const int Most = 1 << 24;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public required string ModelType { get; init; }

    public required int VocabularySize { get; init; }

    /// <summary>Width of a token's embedding, and of the first layer's attention.</summary>
    public required int TokenSize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int Layers { get; init; }

    public required int Heads { get; init; }

    /// <summary>The longest text, in tokens.</summary>
    public required int MaximumPositions { get; init; }

    public required double NormEpsilon { get; init; }

    /// <summary>Whether a folder's model is an encoder; false also where its <c>config.json</c> cannot be read: whoever loads it says why.</summary>
    public static bool IsIn(string folder)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")));
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("model_type", out var type) && type.ValueKind == JsonValueKind.String && type.GetString() == UseLite;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Reads <c>config.json</c> of a model folder.</summary>
    /// <exception cref="CheckpointException">The file is missing or unreadable, or a field is missing, senseless or not supported.</exception>
    public static EncoderConfig Load(string folder)
    {
        string path = Path.Combine(folder, "config.json");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return Read(document.RootElement, path);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The <c>config.json</c> text of this shape.</summary>
    public string ToJson() => JsonSerializer.Serialize(
        new Dictionary<string, object?>
        {
            ["architectures"] = (string[])["UniversalSentenceEncoderLite"],
            ["model_type"] = ModelType,
            ["hidden_act"] = "relu",
            ["vocab_size"] = VocabularySize,
            ["embedding_size"] = TokenSize,
            ["hidden_size"] = HiddenSize,
            ["intermediate_size"] = IntermediateSize,
            ["num_hidden_layers"] = Layers,
            ["num_attention_heads"] = Heads,
            ["max_position_embeddings"] = MaximumPositions,
            ["layer_norm_eps"] = NormEpsilon,
            ["torch_dtype"] = "float32",
        },
        Indented) + "\n";

    private static EncoderConfig Read(JsonElement root, string file)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new CheckpointException($"{file}: the top level is not an object.");
        if (Text("model_type") is var type && type != UseLite)
            throw new CheckpointException($"{file}: model_type is '{type}'; encoders of type '{UseLite}' are supported.");
        if (Text("hidden_act") is var activation and not "relu")
            throw new CheckpointException($"{file}: hidden_act is '{activation}'; a {UseLite} has 'relu'.");
        var config = new EncoderConfig
        {
            ModelType = UseLite,
            VocabularySize = Size("vocab_size"),
            TokenSize = Size("embedding_size"),
            HiddenSize = Size("hidden_size"),
            IntermediateSize = Size("intermediate_size"),
            Layers = Size("num_hidden_layers"),
            Heads = Size("num_attention_heads"),
            MaximumPositions = Size("max_position_embeddings"),
            NormEpsilon = root.TryGetProperty("layer_norm_eps", out var epsilon) && epsilon.ValueKind == JsonValueKind.Number && epsilon.GetDouble() is > 0 and < 1 and var small
                ? small
                : throw new CheckpointException($"{file}: layer_norm_eps must be a number between 0 and 1."),
        };
        if (config.TokenSize % 2 != 0 || config.TokenSize % config.Heads != 0 || config.HiddenSize % config.Heads != 0)
            throw new CheckpointException($"{file}: embedding_size ({config.TokenSize}) must be even and, as hidden_size ({config.HiddenSize}), a multiple of num_attention_heads ({config.Heads}).");
        return config;

        string? Text(string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

        int Size(string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int size) && size is > 0 and <= Most
            ? size
            : throw new CheckpointException($"{file}: {name} must be a positive integer up to {Most}.");
    }
}
