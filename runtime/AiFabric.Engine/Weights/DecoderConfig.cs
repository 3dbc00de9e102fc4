using System.Text.Json;
using AiFabric.Engine.Weights.Gguf;

namespace AiFabric.Engine.Weights;

/// <summary>The shape of a Llama decoder, as a Hugging Face <c>config.json</c> states it.</summary>
public sealed record DecoderConfig
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
    private static readonly string[] Architectures = ["LlamaForCausalLM"];

    /// <summary>No model comes near these; a file that claims more would have memory reserved for it before its weights show the lie.</summary>
    internal const int MostLayers = 10_000, MostPositions = Most;

    private const int Most = 1 << 24;

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

    public double RopeTheta { get; init; } = 10_000;

    /// <summary>Whether the output projection is the embedding matrix.</summary>
    public bool TieWordEmbeddings { get; init; }

    public int? BeginOfSequenceId { get; init; }

    /// <summary>The tokens that end a text; may be empty.</summary>
    public IReadOnlyList<int> EndOfSequenceIds { get; init; } = [];

    /// <summary>Reads <c>config.json</c> of a model folder or, where the weights are a GGUF file, its metadata.</summary>
    /// <exception cref="CheckpointException">The file is missing or unreadable, a field is missing or senseless, or the architecture is not supported.</exception>
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
            return Parse(File.ReadAllText(path), path);
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
            return Read(new JsonFields(document.RootElement, file));
        }
        // A string that is no Unicode text is found only when it is read.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{file}: is not valid JSON: {e.Message}", e);
        }
    }

    /// <summary>The <c>config.json</c> text of this shape.</summary>
    /// <param name="torchType">The stored weights' type, for example <c>bfloat16</c>.</param>
    public string ToJson(string torchType) => JsonSerializer.Serialize(
        new Dictionary<string, object?>
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
            ["rope_theta"] = RopeTheta,
            ["rope_scaling"] = null,
            ["attention_bias"] = false,
            ["mlp_bias"] = false,
            ["tie_word_embeddings"] = TieWordEmbeddings,
            ["bos_token_id"] = BeginOfSequenceId,
            ["eos_token_id"] = EndOfSequenceIds.Count == 1 ? EndOfSequenceIds[0] : EndOfSequenceIds,
            ["torch_dtype"] = torchType,
        },
        Indented) + "\n";

    private static DecoderConfig Read(JsonFields fields)
    {
        fields.RefuseUnless("model_type", "llama");
        fields.RefuseUnlessDefault("hidden_act", "silu");
        fields.RefuseUnlessDefault("attention_bias", "False");
        fields.RefuseUnlessDefault("mlp_bias", "False");
        fields.RefuseIfPresent("rope_scaling", "scaled rotary embeddings are not supported");
        fields.RefuseIfPresent("rope_parameters", "state rope_theta at the top level; scaled rotary embeddings are not supported");
        fields.RefuseIfPresent("quantization_config", "quantized checkpoints are not supported; use bf16, fp16 or fp32 weights");

        int hidden = fields.Size("hidden_size");
        int heads = fields.Size("num_attention_heads");
        int keyValueHeads = fields.Size("num_key_value_heads", heads);
        if (heads % keyValueHeads != 0)
            throw fields.Error($"num_attention_heads ({heads}) must be a multiple of num_key_value_heads ({keyValueHeads})");
        int headSize = fields.Size("head_dim", hidden / heads);
        if (headSize % 2 != 0 || headSize == 0)
            throw fields.Error($"head_dim ({headSize}) must be even and above 0, because rotary embeddings turn pairs");
        if ((long)heads * headSize > Most)
            throw fields.Error($"num_attention_heads ({heads}) times head_dim ({headSize}) is above {Most}");
        int layers = fields.Size("num_hidden_layers");
        if (layers > MostLayers)
            throw fields.Error($"num_hidden_layers is {layers}; at most {MostLayers} are supported");
        return new DecoderConfig
        {
            HiddenSize = hidden,
            IntermediateSize = fields.Size("intermediate_size"),
            Layers = layers,
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            VocabularySize = fields.Size("vocab_size"),
            MaximumPositions = fields.Size("max_position_embeddings", 2048),
            NormEpsilon = fields.Positive("rms_norm_eps", 1e-6),
            RopeTheta = fields.Positive("rope_theta", 10_000),
            TieWordEmbeddings = fields.Flag("tie_word_embeddings"),
            BeginOfSequenceId = fields.Ids("bos_token_id") is [var first, ..] ? first : null,
            EndOfSequenceIds = fields.Ids("eos_token_id"),
        };
    }

    private readonly record struct JsonFields(JsonElement Root, string File)
    {
        public CheckpointException Error(string problem) => new($"{File}: {problem}.");

        public void RefuseUnless(string name, string only)
        {
            string found = Get(name)?.ToString() ?? "(absent)";
            if (found != only)
                throw Error($"{name} is '{found}'; only '{only}' is supported");
        }

        public void RefuseUnlessDefault(string name, string only)
        {
            if (Get(name) is not null)
                RefuseUnless(name, only);
        }

        public void RefuseIfPresent(string name, string reason)
        {
            if (Get(name) is { } value)
                throw Error($"{name} is {value.GetRawText()}: {reason}");
        }

        public int Size(string name, int? absent = null)
        {
            if (Get(name) is not { } value)
                return absent ?? throw Error($"{name} is missing");
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int size) && size is > 0 and <= Most
                ? size
                : throw Error($"{name} is {value.GetRawText()}; it must be a positive integer up to {Most}");
        }

        public double Positive(string name, double absent)
        {
            if (Get(name) is not { } value)
                return absent;
            return value.ValueKind == JsonValueKind.Number && value.GetDouble() is > 0 and < double.PositiveInfinity and var number
                ? number
                : throw Error($"{name} is {value.GetRawText()}; it must be a positive number");
        }

        public bool Flag(string name) => Get(name) switch
        {
            null or { ValueKind: JsonValueKind.False } => false,
            { ValueKind: JsonValueKind.True } => true,
            { } value => throw Error($"{name} is {value.GetRawText()}; it must be true or false"),
        };

        public IReadOnlyList<int> Ids(string name)
        {
            var file = this;
            return Get(name) switch
            {
                null => [],
                { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Select(item => file.Id(name, item))],
                { } single => [Id(name, single)],
            };
        }

        private int Id(string name, JsonElement value) =>
            value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) && id >= 0
                ? id
                : throw Error($"{name} is {value.GetRawText()}; it must be a token id");

        private JsonElement? Get(string name)
        {
            if (Root.ValueKind != JsonValueKind.Object)
                throw Error("the top level is not an object");
            return Root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
        }
    }
}
