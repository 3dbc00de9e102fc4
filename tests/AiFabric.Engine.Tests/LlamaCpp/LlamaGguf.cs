using System.Text.Json;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>A model folder as a GGUF file, so that llama.cpp computes with the same numbers as the engine.</summary>
internal static class LlamaGguf
{
    /// <summary>llama.cpp's name of an architecture where it is not the <c>model_type</c>, and whether it turns neighbours.</summary>
    private static readonly Dictionary<string, (string Name, bool TurnsNeighbours)> Architectures = new()
    {
        ["llama"] = ("llama", true),
        ["mistral"] = ("llama", true),
        ["smollm3"] = ("smollm3", true),
        ["qwen2"] = ("qwen2", false),
        ["qwen3"] = ("qwen3", false),
        ["gemma2"] = ("gemma2", false),
        ["gemma3_text"] = ("gemma3", false),
    };

    private static readonly (LayerVector Vector, string Name)[] Norms =
    [
        (LayerVector.AttentionNorm, "attn_norm"), (LayerVector.MlpNorm, "ffn_norm"), (LayerVector.QueryNorm, "attn_q_norm"), (LayerVector.KeyNorm, "attn_k_norm"),
        (LayerVector.AttentionOutputNorm, "post_attention_norm"), (LayerVector.MlpOutputNorm, "post_ffw_norm"),
    ];

    private const int Normal = 1, Control = 3, UserDefined = 4, Unused = 5; // tokenizer.ggml.token_type

    /// <param name="folder">Hugging Face model folder with byte-level BPE whose words are cut as GPT-2 cuts them.</param>
    /// <param name="weights">The folder's weights, Float32, on the CPU.</param>
    /// <param name="path">File to make.</param>
    /// <param name="type">How its matrices are stored.</param>
    /// <param name="words">How llama.cpp calls the way in which text is cut into words.</param>
    /// <param name="more">Adds what else the file is to say.</param>
    /// <param name="vocabulary">Adds another vocabulary than the folder's.</param>
    public static void Write(
        string folder, DecoderWeights weights, string path, GgufType type = GgufType.Float32, string words = "gpt-2", Action<GgufWriter>? more = null,
        Action<GgufWriter>? vocabulary = null)
    {
        using var scope = NewDisposeScope();
        using var file = new GgufWriter();
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        var (name, turnsNeighbours) = Architectures[config.RootElement.GetProperty("model_type").GetString()!];
        AddShape(file, name, weights.Config);
        AddAttention(file, name, weights.Config);
        if (vocabulary is null)
            AddVocabulary(file, JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Path.Combine(folder, "tokenizer.json"))), weights.Config, words);
        else
            vocabulary(file);
        more?.Invoke(file);
        AddTensors(file, weights, turnsNeighbours, type);
        file.Write(path);
    }

    private static void AddShape(GgufWriter file, string name, DecoderConfig config)
    {
        file.Add("general.architecture", name);
        file.Add("general.file_type", 0u); // all float32
        file.Add($"{name}.context_length", (uint)config.MaximumPositions);
        file.Add($"{name}.embedding_length", (uint)config.HiddenSize);
        file.Add($"{name}.block_count", (uint)config.Layers);
        file.Add($"{name}.feed_forward_length", (uint)config.IntermediateSize);
        file.Add($"{name}.attention.head_count", (uint)config.Heads);
        file.Add($"{name}.attention.head_count_kv", (uint)config.KeyValueHeads);
        file.Add($"{name}.attention.key_length", (uint)config.HeadSize);
        file.Add($"{name}.attention.value_length", (uint)config.HeadSize);
        file.Add($"{name}.attention.layer_norm_rms_epsilon", (float)config.NormEpsilon);
        file.Add($"{name}.rope.dimension_count", (uint)config.HeadSize);
        file.Add($"{name}.vocab_size", (uint)config.VocabularySize);
    }

    private static void AddAttention(GgufWriter file, string name, DecoderConfig config)
    {
        file.Add($"{name}.rope.freq_base", (float)config.Rope.Theta);
        if (config.Rope.Scaling is LinearScaling linear)
        {
            file.Add($"{name}.rope.scaling.type", "linear");
            file.Add($"{name}.rope.scaling.factor", (float)linear.Factor);
        }
        if (config.Rope.Scaling is YarnScaling yarn)
        {
            file.Add($"{name}.rope.scaling.type", "yarn");
            file.Add($"{name}.rope.scaling.factor", (float)yarn.Factor);
            file.Add($"{name}.rope.scaling.original_context_length", (uint)yarn.OriginalPositions);
            file.Add($"{name}.rope.scaling.yarn_beta_fast", (float)yarn.BetaFast);
            file.Add($"{name}.rope.scaling.yarn_beta_slow", (float)yarn.BetaSlow);
        }
        if (config.AttentionByLayer.FirstOrDefault(layer => layer.Window is not null) is { Window: { } window } local)
        {
            file.Add($"{name}.attention.sliding_window", (uint)window);
            file.Add($"{name}.rope.freq_base_swa", (float)(local.Rope?.Theta ?? 0));
        }
        if (config.AttentionSoftCap is { } scoreCap)
            file.Add($"{name}.attn_logit_softcapping", (float)scoreCap);
        if (config.LogitSoftCap is { } logitCap)
            file.Add($"{name}.final_logit_softcapping", (float)logitCap);
    }

    private static void AddVocabulary(GgufWriter file, JsonElement json, DecoderConfig config, string words)
    {
        string[] spellings = [.. Enumerable.Range(0, config.VocabularySize).Select(id => $"<|unused {id}|>")];
        int[] types = [.. Enumerable.Repeat(Unused, config.VocabularySize)];
        var model = json.GetProperty("model");
        foreach (var token in model.GetProperty("vocab").EnumerateObject())
            (spellings[token.Value.GetInt32()], types[token.Value.GetInt32()]) = (token.Name, Normal);
        foreach (var token in json.GetProperty("added_tokens").EnumerateArray())
        {
            int id = token.GetProperty("id").GetInt32();
            (spellings[id], types[id]) = (token.GetProperty("content").GetString()!, token.GetProperty("special").GetBoolean() ? Control : UserDefined); // a token has a text
        }
        file.Add("tokenizer.ggml.model", "gpt2");
        file.Add("tokenizer.ggml.pre", words);
        file.Add("tokenizer.ggml.tokens", spellings);
        file.Add("tokenizer.ggml.token_type", types);
        file.Add("tokenizer.ggml.merges", model.GetProperty("merges").Deserialize<string[]>()!); // byte-level BPE has merges
        if (config.BeginOfSequenceId is { } begin)
            file.Add("tokenizer.ggml.bos_token_id", (uint)begin);
        if (config.EndOfSequenceIds is [var end, ..])
            file.Add("tokenizer.ggml.eos_token_id", (uint)end);
        file.Add("tokenizer.ggml.add_bos_token", false);
    }

    private static void AddTensors(GgufWriter file, DecoderWeights weights, bool turnsNeighbours, GgufType type)
    {
        var config = weights.Config;
        file.AddTensor("token_embd.weight", weights.Embedding, type);
        file.AddTensor("output_norm.weight", weights.FinalNorm);
        if (!config.TieWordEmbeddings)
            file.AddTensor("output.weight", weights.Head, type);
        // llama.cpp divides the plain frequencies by these.
        if (config.Rope.Scaling is Llama3Scaling)
            file.AddTensor("rope_freqs.weight", (tensor(new Rope(config.Rope.Theta).Frequencies(config.HeadSize)) / tensor(config.Rope.Frequencies(config.HeadSize))).to(ScalarType.Float32));
        for (int i = 0; i < config.Layers; i++)
        {
            foreach (var target in LoraTargets.All)
            {
                int heads = turnsNeighbours ? target switch { LoraTarget.Query => config.Heads, LoraTarget.Key => config.KeyValueHeads, _ => 0 } : 0;
                file.AddTensor($"blk.{i}.{Name(target)}.weight", Interleave(weights.Layers[i][target], heads), Fitting(type, weights.Layers[i][target]));
                if (weights.Layers[i][LayerVector.QueryBias + (int)target] is { } bias)
                    file.AddTensor($"blk.{i}.{Name(target)}.bias", Interleave(bias, heads));
            }
            foreach (var (vector, name) in Norms)
            {
                if (weights.Layers[i][vector] is { } norm)
                    file.AddTensor($"blk.{i}.{name}.weight", norm);
            }
        }
    }

    // As llama.cpp's own quantization does it: 8 bits where rows are no whole blocks of 256, none where they are none of 32.
    private static GgufType Fitting(GgufType type, Tensor matrix) => type switch
    {
        GgufType.Float32 or GgufType.Float16 or GgufType.BFloat16 => type,
        _ when matrix.shape[1] % 32 != 0 => GgufType.Float32,
        GgufType.Q4K or GgufType.Q5K or GgufType.Q6K when matrix.shape[1] % 256 != 0 => GgufType.Q8,
        _ => type,
    };

    private static string Name(LoraTarget target) => target switch
    {
        LoraTarget.Query => "attn_q",
        LoraTarget.Key => "attn_k",
        LoraTarget.Value => "attn_v",
        LoraTarget.Output => "attn_output",
        LoraTarget.Gate => "ffn_gate",
        LoraTarget.Up => "ffn_up",
        _ => "ffn_down",
    };

    // llama.cpp turns neighbours (2i, 2i + 1) of a head, Hugging Face the pairs (i, i + headDim / 2): [heads, 2, half, …] → [heads, half, 2, …].
    private static Tensor Interleave(Tensor rows, int heads) =>
        heads == 0 ? rows : rows.view(heads, 2, rows.shape[0] / heads / 2, -1).transpose(1, 2).reshape(rows.shape).contiguous();
}
