using System.Text.Json;
using AiFabric.Engine.Weights.Families;
using AiFabric.Engine.Weights.Gguf;

namespace AiFabric.Engine.Weights;

/// <summary>
/// The shape of a decoder, and what its family does differently from Llama, as data: passes read these fields and know no family. A Hugging
/// Face <c>config.json</c> becomes one of these in <see cref="DecoderFamilies"/>.
/// </summary>
public sealed record DecoderConfig
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
    private static readonly string[] Architectures = ["LlamaForCausalLM"];

    /// <summary>No model comes near these; a file that claims more would have memory reserved for it before its weights show the lie.</summary>
    internal const int MostLayers = 1_000, MostPositions = ConfigFields.Most;

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int Layers { get; init; }

    public required int Heads { get; init; }

    public required int KeyValueHeads { get; init; }

    public required int HeadSize { get; init; }

    public required int VocabularySize { get; init; }

    /// <summary>The longest sequence, prompt and answer together, in tokens.</summary>
    public required int MaximumPositions { get; init; }

    public double NormEpsilon { get; init; } = 1e-6;

    /// <summary>
    /// What a norm's weight lacks in the files: Gemma stores w and multiplies by 1 + w. It is added while the weights are read, so that
    /// weights in memory lack nothing.
    /// </summary>
    public double NormOffset { get; init; }

    /// <summary>Rotary embeddings of the layers that <see cref="AttentionByLayer"/> does not name.</summary>
    public Rope Rope { get; init; } = new(10_000);

    /// <summary>By layer: how far it sees and how it turns. Empty where all see everything and turn by <see cref="Rope"/>.</summary>
    public IReadOnlyList<LayerAttention> AttentionByLayer { get; init; } = [];

    /// <summary>Scores are divided by its root; the head size where it is absent.</summary>
    public double? QueryPreAttentionScalar { get; init; }

    /// <summary>c, where scores s become c · tanh(s / c) before the softmax.</summary>
    public double? AttentionSoftCap { get; init; }

    /// <summary>c, where logits l become c · tanh(l / c).</summary>
    public double? LogitSoftCap { get; init; }

    /// <summary>Whether heads of queries and keys are normed, each by the same weights [headDim], before they turn.</summary>
    public bool QueryKeyNorms { get; init; }

    /// <summary>Whether what attention and the MLP give is normed before it joins the residual.</summary>
    public bool OutputNorms { get; init; }

    /// <summary>Whether the projections to queries, keys and values add a bias.</summary>
    public bool QueryKeyValueBias { get; init; }

    /// <summary>Whether attention's output projection adds a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether the MLP's three matrices add a bias.</summary>
    public bool MlpBias { get; init; }

    public Activation Activation { get; init; }

    /// <summary>Factor on the embeddings where they enter the first layer. A tied head is not scaled.</summary>
    public double EmbeddingScale { get; init; } = 1;

    /// <summary>Whether the output projection is the embedding matrix.</summary>
    public bool TieWordEmbeddings { get; init; }

    public int? BeginOfSequenceId { get; init; }

    /// <summary>The tokens that end a text, of <c>config.json</c> and <c>generation_config.json</c>; may be empty. What serving stops on is <see cref="LlmEngine.EndOfSequenceIds"/>.</summary>
    public IReadOnlyList<int> EndOfSequenceIds { get; init; } = [];

    /// <summary>Factor on queries beside the usual 1 / √headDim.</summary>
    internal double QueryFactor => Math.Sqrt(HeadSize / (QueryPreAttentionScalar ?? HeadSize));

    /// <summary>How a layer attends.</summary>
    public LayerAttention AttentionOf(int layer) => AttentionByLayer.Count == 0 ? new LayerAttention(null, Rope) : AttentionByLayer[layer];

    /// <summary>Reads <c>config.json</c> of a model folder, and what <c>generation_config.json</c> adds to it; or, where the weights are a GGUF file, its metadata.</summary>
    /// <exception cref="CheckpointException">The file is missing or unreadable, a field is missing or senseless, or the model does what the engine does not.</exception>
    public static DecoderConfig Load(string folder)
    {
        if (GgufPath.Of(folder) is { } weights)
        {
            using var file = GgufFile.Open(weights);
            return GgufConfig.Read(file);
        }
        string path = Path.Combine(folder, "config.json");
        try
        {
            var config = Parse(File.ReadAllText(path), path);
            return config with { EndOfSequenceIds = [.. config.EndOfSequenceIds.Union(GenerationConfig.EndOfSequenceIds(folder))] };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Parses the text of a <c>config.json</c>.</summary>
    /// <param name="json">The text.</param>
    /// <param name="file">The name that error messages give it.</param>
    /// <exception cref="CheckpointException">See <see cref="Load"/>.</exception>
    public static DecoderConfig Parse(string json, string file)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return DecoderFamilies.Read(new ConfigFields(document.RootElement, file));
        }
        // A string that is no Unicode text is found only when it is read.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{file}: is not valid JSON: {e.Message}", e);
        }
    }

    /// <summary>The <c>config.json</c> text of this shape, which must be a plain Llama's.</summary>
    /// <param name="torchType">The stored weights' type, for example <c>bfloat16</c>.</param>
    /// <exception cref="InvalidOperationException">The shape has what a plain Llama has not.</exception>
    public string ToJson(string torchType)
    {
        string json = JsonSerializer.Serialize(LlamaFields(torchType), Indented) + "\n";
        // Lists are compared as objects, so they are set aside.
        var read = Parse(json, "config.json") with { EndOfSequenceIds = EndOfSequenceIds };
        return read == this ? json : throw new InvalidOperationException("Only a plain Llama's shape can be written.");
    }

    private Dictionary<string, object?> LlamaFields(string torchType) => new()
    {
        ["architectures"] = Architectures,
        ["model_type"] = "llama",
        ["hidden_act"] = "silu",
        ["hidden_size"] = HiddenSize,
        ["intermediate_size"] = IntermediateSize,
        ["num_hidden_layers"] = Layers,
        ["num_attention_heads"] = Heads,
        ["num_key_value_heads"] = KeyValueHeads,
        ["head_dim"] = HeadSize,
        ["vocab_size"] = VocabularySize,
        ["max_position_embeddings"] = MaximumPositions,
        ["rms_norm_eps"] = NormEpsilon,
        ["rope_theta"] = Rope.Theta,
        ["rope_scaling"] = null,
        ["attention_bias"] = QueryKeyValueBias,
        ["mlp_bias"] = MlpBias,
        ["tie_word_embeddings"] = TieWordEmbeddings,
        ["bos_token_id"] = BeginOfSequenceId,
        ["eos_token_id"] = EndOfSequenceIds.Count == 1 ? EndOfSequenceIds[0] : EndOfSequenceIds,
        ["torch_dtype"] = torchType,
    };
}

/// <summary>What the MLP's gate goes through before it multiplies.</summary>
public enum Activation
{
    /// <summary>x · σ(x) (arXiv 1702.03118).</summary>
    Silu,

    /// <summary>GELU in its approximation by tanh (arXiv 1606.08415), <c>gelu_pytorch_tanh</c>.</summary>
    GeluTanh,
}

/// <summary>How a layer attends.</summary>
/// <param name="Window">Positions that a query sees, its own among them; null for all before it.</param>
/// <param name="Rope">How queries and keys turn; null where they carry no position (NoPE, arXiv 2501.18795).</param>
public readonly record struct LayerAttention(int? Window, Rope? Rope);
