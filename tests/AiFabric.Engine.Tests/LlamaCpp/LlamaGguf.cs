using System.Text.Json;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>A Llama model folder as a GGUF file, so that llama.cpp computes with the same numbers as the engine.</summary>
internal static class LlamaGguf
{
    private const int Normal = 1, Control = 3, UserDefined = 4, Unused = 5; // tokenizer.ggml.token_type

    /// <param name="folder">Hugging Face model folder with byte-level BPE whose words are cut as GPT-2 cuts them.</param>
    /// <param name="weights">The folder's weights, Float32, on the CPU.</param>
    /// <param name="path">File to make.</param>
    /// <param name="type">How its matrices are stored.</param>
    /// <param name="words">How llama.cpp calls the way in which text is cut into words.</param>
    /// <param name="more">Adds what else the file is to say.</param>
    public static void Write(
        string folder, DecoderWeights weights, string path, GgufType type = GgufType.Float32, string words = "gpt-2", Action<GgufWriter>? more = null)
    {
        using var scope = NewDisposeScope();
        using var file = new GgufWriter();
        AddShape(file, weights.Config);
        AddVocabulary(file, JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Path.Combine(folder, "tokenizer.json"))), weights.Config, words);
        more?.Invoke(file);
        AddTensors(file, weights, type);
        file.Write(path);
    }

    private static void AddShape(GgufWriter file, DecoderConfig config)
    {
        file.Add("general.architecture", "llama");
        file.Add("general.file_type", 0u); // all float32
        file.Add("llama.context_length", (uint)config.MaximumPositions);
        file.Add("llama.embedding_length", (uint)config.HiddenSize);
        file.Add("llama.block_count", (uint)config.Layers);
        file.Add("llama.feed_forward_length", (uint)config.IntermediateSize);
        file.Add("llama.attention.head_count", (uint)config.Heads);
        file.Add("llama.attention.head_count_kv", (uint)config.KeyValueHeads);
        file.Add("llama.attention.key_length", (uint)config.HeadSize);
        file.Add("llama.attention.value_length", (uint)config.HeadSize);
        file.Add("llama.attention.layer_norm_rms_epsilon", (float)config.NormEpsilon);
        file.Add("llama.rope.dimension_count", (uint)config.HeadSize);
        file.Add("llama.rope.freq_base", (float)config.RopeTheta);
        file.Add("llama.vocab_size", (uint)config.VocabularySize);
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

    private static void AddTensors(GgufWriter file, DecoderWeights weights, GgufType type)
    {
        var config = weights.Config;
        file.AddTensor("token_embd.weight", weights.Embedding, type);
        file.AddTensor("output_norm.weight", weights.FinalNorm);
        if (!config.TieWordEmbeddings)
            file.AddTensor("output.weight", weights.Head, type);
        for (int i = 0; i < config.Layers; i++)
        {
            var (layer, prefix) = (weights.Layers[i], $"blk.{i}.");
            file.AddTensor(prefix + "attn_norm.weight", layer.AttentionNorm);
            file.AddTensor(prefix + "attn_q.weight", Interleave(layer.Query, config.Heads), type);
            file.AddTensor(prefix + "attn_k.weight", Interleave(layer.Key, config.KeyValueHeads), type);
            file.AddTensor(prefix + "attn_v.weight", layer.Value, type);
            file.AddTensor(prefix + "attn_output.weight", layer.Output, type);
            file.AddTensor(prefix + "ffn_norm.weight", layer.MlpNorm);
            file.AddTensor(prefix + "ffn_gate.weight", layer.Gate, type);
            file.AddTensor(prefix + "ffn_up.weight", layer.Up, type);
            file.AddTensor(prefix + "ffn_down.weight", layer.Down, Fitting(type, layer.Down));
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

    // llama.cpp turns neighbours (2i, 2i + 1) of a head, Hugging Face the pairs (i, i + headDim / 2): [heads, 2, half, in] → [heads, half, 2, in].
    private static Tensor Interleave(Tensor matrix, int heads) =>
        matrix.view(heads, 2, matrix.shape[0] / heads / 2, matrix.shape[1]).transpose(1, 2).reshape(matrix.shape).contiguous();
}
