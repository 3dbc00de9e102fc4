using System.Text.Json;
using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Families;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>How an encoder makes one vector of its tokens' states.</summary>
public enum Pooling
{
    /// <summary>The mean over all tokens, marks included.</summary>
    Mean,

    /// <summary>The first token's state.</summary>
    First,
}

/// <summary>The shape of an encoder, as a <c>config.json</c> states it with Hugging Face's names.</summary>
public sealed record EncoderConfig
{
    /// <summary>Cer et al., "Universal Sentence Encoder" (arXiv 1803.11175), in its Lite variant: two pre-norm layers, mean, tanh.</summary>
    public const string UseLite = "universal-sentence-encoder-lite";

    /// <summary>Devlin et al., "BERT" (arXiv 1810.04805), pooled as sentence-transformers does it (Reimers and Gurevych, arXiv 1908.10084).</summary>
    public const string Bert = "bert";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public required string ModelType { get; init; }

    public required int VocabularySize { get; init; }

    /// <summary>Width of a token's embedding, and of the first layer's attention; BERT's is <see cref="HiddenSize"/>.</summary>
    public required int TokenSize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int Layers { get; init; }

    public required int Heads { get; init; }

    /// <summary>Rows of the position embeddings, where there are any.</summary>
    public required int MaximumPositions { get; init; }

    /// <summary>The longest text, in tokens, marks included: at most <see cref="MaximumPositions"/>.</summary>
    public required int Context { get; init; }

    public required double NormEpsilon { get; init; }

    /// <summary>Rows of BERT's segment embeddings; 0 for others.</summary>
    public int SegmentTypes { get; init; }

    public Pooling Pooling { get; init; }

    /// <summary>Whether a folder's model is an encoder; false also where its <c>config.json</c> cannot be read: whoever loads it says why.</summary>
    public static bool IsIn(string folder)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")));
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("model_type", out var type) && type.ValueKind == JsonValueKind.String && type.GetString() is UseLite or Bert;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Reads <c>config.json</c> of a model folder and, of a BERT, what sentence-transformers writes beside it.</summary>
    /// <exception cref="CheckpointException">A file is unreadable, or a field is missing, senseless or not supported.</exception>
    public static EncoderConfig Load(string folder)
    {
        var fields = ConfigFields.Load(Path.Combine(folder, "config.json"));
        return fields.Text("model_type", "(absent)") switch
        {
            UseLite => ReadUseLite(fields),
            Bert => ReadBert(fields, folder),
            var other => throw fields.Error($"model_type is '{other}'; encoders of type '{UseLite}' and '{Bert}' are supported"),
        };
    }

    /// <summary>The <c>config.json</c> text of this shape, for the Universal Sentence Encoder.</summary>
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

    private static EncoderConfig ReadUseLite(ConfigFields fields)
    {
        fields.RequireOnly("hidden_act", "relu");
        var config = Read(fields, UseLite, fields.Size("embedding_size"));
        return config.TokenSize % 2 == 0 && config.TokenSize % config.Heads == 0
            ? config
            : throw fields.Error($"embedding_size ({config.TokenSize}) must be even and a multiple of num_attention_heads ({config.Heads})");
    }

    private static EncoderConfig ReadBert(ConfigFields fields, string folder)
    {
        fields.RequireOnly("hidden_act", "gelu");
        fields.RequireOnly("position_embedding_type", "absolute");
        var config = Read(fields, Bert, fields.Size("hidden_size"));
        return config with
        {
            SegmentTypes = fields.Size("type_vocab_size"),
            Pooling = SentenceTransformerFiles.ReadPooling(folder),
            Context = Math.Min(config.MaximumPositions, SentenceTransformerFiles.ReadLength(folder) ?? int.MaxValue),
        };
    }

    private static EncoderConfig Read(ConfigFields fields, string type, int tokenSize)
    {
        var config = new EncoderConfig
        {
            ModelType = type,
            VocabularySize = fields.Size("vocab_size"),
            TokenSize = tokenSize,
            HiddenSize = fields.Size("hidden_size"),
            IntermediateSize = fields.Size("intermediate_size"),
            Layers = fields.Size("num_hidden_layers"),
            Heads = fields.Size("num_attention_heads"),
            MaximumPositions = fields.Size("max_position_embeddings"),
            Context = fields.Size("max_position_embeddings"),
            NormEpsilon = fields.Fraction("layer_norm_eps"),
        };
        return config.HiddenSize % config.Heads == 0
            ? config
            : throw fields.Error($"hidden_size ({config.HiddenSize}) must be a multiple of num_attention_heads ({config.Heads})");
    }
}
