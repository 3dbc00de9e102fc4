using AiFabric.Engine.Adapters;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>
/// The model written down once more, plainly: whole sequences, one at a time, in Float64, attention by softmax, adapters merged into the
/// weights. Shares no code with the engine's pass.
/// </summary>
/// <param name="folder">The model.</param>
/// <param name="config">Its shape.</param>
/// <param name="halfGelu">Whether GELU is looked up in a table of half-precision numbers, as ggml does it.</param>
internal sealed class Reference(string folder, DecoderConfig config, bool halfGelu = false) : IDisposable
{
    private readonly SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));

    /// <summary>[n, hidden] before the final norm, Float64.</summary>
    public Tensor Hidden(IReadOnlyList<int> tokens, PeftAdapter? adapter = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        int n = tokens.Count;
        var x = Weight("model.embed_tokens.weight").index_select(0, tensor(tokens.Select(t => (long)t).ToArray())) * config.EmbeddingScale;
        for (int layer = 0; layer < config.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            var attention = config.AttentionOf(layer);
            var h = Norm(x, prefix + "input_layernorm.weight");
            var q = Heads(h, layer, LoraTarget.Query, adapter, prefix + "self_attn.q_norm.weight", attention.Rope);
            var k = Heads(h, layer, LoraTarget.Key, adapter, prefix + "self_attn.k_norm.weight", attention.Rope);
            var v = Linear(h, layer, LoraTarget.Value, adapter).view(n, config.KeyValueHeads, config.HeadSize);
            var mixed = Linear(Attend(q, k, v, attention.Window ?? n), layer, LoraTarget.Output, adapter);
            x = x + (config.OutputNorms ? Norm(mixed, prefix + "post_attention_layernorm.weight") : mixed);
            h = Norm(x, prefix + (config.OutputNorms ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight"));
            var gated = Activated(Linear(h, layer, LoraTarget.Gate, adapter)) * Linear(h, layer, LoraTarget.Up, adapter);
            var down = Linear(gated, layer, LoraTarget.Down, adapter);
            x = x + (config.OutputNorms ? Norm(down, prefix + "post_feedforward_layernorm.weight") : down);
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>[n, vocab], Float64.</summary>
    public Tensor Logits(IReadOnlyList<int> tokens, PeftAdapter? adapter = null)
    {
        using var scope = NewDisposeScope();
        var head = Weight(config.TieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight");
        return Capped(matmul(Norm(Hidden(tokens, adapter), "model.norm.weight"), head.t()), config.LogitSoftCap).MoveToOuterDisposeScope();
    }

    /// <summary>[n, vocab] natural log probabilities, Float64.</summary>
    public Tensor Logprobs(IReadOnlyList<int> tokens, PeftAdapter? adapter = null)
    {
        using var scope = NewDisposeScope();
        return nn.functional.log_softmax(Logits(tokens, adapter), 1).MoveToOuterDisposeScope();
    }

    /// <summary>[hidden] Float64: the mean of the states after the final norm.</summary>
    public Tensor Mean(IReadOnlyList<int> tokens, PeftAdapter? adapter = null)
    {
        using var scope = NewDisposeScope();
        return Norm(Hidden(tokens, adapter), "model.norm.weight").mean([0]).MoveToOuterDisposeScope();
    }

    /// <summary>Greedy continuation and its log probabilities, with the whole sequence computed anew for every token.</summary>
    public List<(int Token, double Logprob)> Greedy(IReadOnlyList<int> prompt, int count, PeftAdapter? adapter = null)
    {
        var tokens = prompt.ToList();
        var result = new List<(int, double)>();
        for (int i = 0; i < count; i++)
        {
            using var scope = NewDisposeScope();
            var last = Logprobs(tokens, adapter)[tokens.Count - 1];
            int token = (int)last.argmax().item<long>();
            result.Add((token, last[token].item<double>()));
            tokens.Add(token);
        }
        return result;
    }

    public void Dispose() => file.Dispose();

    private Tensor Weight(string name) => file.Read(name, ScalarType.Float64);

    private Tensor Linear(Tensor x, int layer, LoraTarget target, PeftAdapter? adapter)
    {
        var weight = Weight($"model.layers.{layer}.{target.ModulePath()}.weight");
        string name = $"model.layers.{layer}.{target.ModulePath()}.bias";
        Tensor bias = file.Tensors.ContainsKey(name) ? Weight(name) : zeros(weight.shape[0], ScalarType.Float64);
        if (adapter?[layer, target] is not { } patch)
            return matmul(x, weight.t()) + bias;
        if (patch is { A: { } a, B: { } b })
            weight = weight + (matmul(b.to(ScalarType.Float64), a.to(ScalarType.Float64)) * patch.Scale);
        var (input, output) = (patch.InputScale ?? ones(1), patch.OutputScale ?? ones(1));
        return ((matmul(x * input, weight.t()) + bias) * output) + (patch.Shift ?? zeros(1));
    }

    private Tensor Norm(Tensor x, string weight) =>
        x / (x.pow(2).mean([-1], keepdim: true) + config.NormEpsilon).sqrt() * (Weight(weight) + config.NormOffset);

    private Tensor Heads(Tensor x, int layer, LoraTarget target, PeftAdapter? adapter, string norm, Rope? rope)
    {
        var heads = Linear(x, layer, target, adapter).view(x.shape[0], -1, config.HeadSize);
        if (config.QueryKeyNorms)
            heads = Norm(heads, norm);
        return rope is null ? heads : Rotate(heads, rope);
    }

    private Tensor Rotate(Tensor x, Rope rope)
    {
        long n = x.shape[0], half = config.HeadSize / 2;
        double[] frequencies = rope.Frequencies(config.HeadSize);
        var angles = zeros(n, half, ScalarType.Float64);
        for (long position = 0; position < n; position++)
        {
            for (long i = 0; i < half; i++)
                angles[position, i] = position * frequencies[i];
        }
        var (cos, sin) = (cat([angles.cos(), angles.cos()], 1).unsqueeze(1), cat([angles.sin(), angles.sin()], 1).unsqueeze(1));
        var turned = cat([-x.narrow(2, half, half), x.narrow(2, 0, half)], 2);
        return ((x * cos) + (turned * sin)) * rope.Magnitude;
    }

    private Tensor Activated(Tensor x)
    {
        if (config.Activation == Activation.Silu)
            return x * x.sigmoid();
        if (!halfGelu)
            return Gelu(x);
        // From ±10 on ggml needs no table: ggml_vec_geglu_f32 in ggml/src/ggml-cpu/vec.h.
        var looked = Gelu(x.to(ScalarType.Float16).to(ScalarType.Float64)).to(ScalarType.Float16).to(ScalarType.Float64);
        return where(x.abs() < 10, looked, x.clamp_min(0));
    }

    private static Tensor Gelu(Tensor x) => x * 0.5 * (1 + (Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))).tanh());

    private static Tensor Capped(Tensor x, double? cap) => cap is { } most ? most * (x / most).tanh() : x;

    private Tensor Attend(Tensor q, Tensor k, Tensor v, int window)
    {
        long n = q.shape[0], groups = config.Heads / config.KeyValueHeads;
        var keys = k.repeat_interleave(groups, 1).transpose(0, 1);
        var values = v.repeat_interleave(groups, 1).transpose(0, 1);
        var scores = Capped(
            matmul(q.transpose(0, 1), keys.transpose(1, 2)) / Math.Sqrt(config.QueryPreAttentionScalar ?? config.HeadSize), config.AttentionSoftCap);
        var unseen = ones(n, n, ScalarType.Bool).triu(1) | ones(n, n, ScalarType.Bool).tril(-window);
        var mixed = matmul(nn.functional.softmax(scores.masked_fill(unseen, double.NegativeInfinity), 2), values);
        return mixed.transpose(0, 1).reshape(n, config.Heads * config.HeadSize);
    }
}
