using AiFabric.Engine.Adapters;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>
/// The model written down once more, plainly: whole sequences, one at a time, in Float64, attention by softmax, adapters merged into the
/// weights. Shares no code with the engine's pass.
/// </summary>
internal sealed class Reference(string folder, DecoderConfig config) : IDisposable
{
    private readonly SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));

    /// <summary>[n, hidden] before the final norm, Float64.</summary>
    public Tensor Hidden(IReadOnlyList<int> tokens, LoraAdapter? adapter = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        int n = tokens.Count;
        var x = Weight("model.embed_tokens.weight").index_select(0, tensor(tokens.Select(t => (long)t).ToArray()));
        for (int layer = 0; layer < config.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            var h = Norm(x, Weight(prefix + "input_layernorm.weight"));
            var q = Rotate(Linear(h, layer, LoraTarget.Query, adapter).view(n, config.Heads, config.HeadSize));
            var k = Rotate(Linear(h, layer, LoraTarget.Key, adapter).view(n, config.KeyValueHeads, config.HeadSize));
            var v = Linear(h, layer, LoraTarget.Value, adapter).view(n, config.KeyValueHeads, config.HeadSize);
            x = x + Linear(Attend(q, k, v), layer, LoraTarget.Output, adapter);
            h = Norm(x, Weight(prefix + "post_attention_layernorm.weight"));
            var gate = Linear(h, layer, LoraTarget.Gate, adapter);
            x = x + Linear(gate * gate.sigmoid() * Linear(h, layer, LoraTarget.Up, adapter), layer, LoraTarget.Down, adapter);
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>[n, vocab] natural log probabilities, Float64.</summary>
    public Tensor Logprobs(IReadOnlyList<int> tokens, LoraAdapter? adapter = null)
    {
        using var scope = NewDisposeScope();
        var head = Weight(config.TieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight");
        var logits = matmul(Norm(Hidden(tokens, adapter), Weight("model.norm.weight")), head.t());
        return nn.functional.log_softmax(logits, 1).MoveToOuterDisposeScope();
    }

    /// <summary>[hidden] Float64: the mean of the states after the final norm.</summary>
    public Tensor Mean(IReadOnlyList<int> tokens, LoraAdapter? adapter = null)
    {
        using var scope = NewDisposeScope();
        return Norm(Hidden(tokens, adapter), Weight("model.norm.weight")).mean([0]).MoveToOuterDisposeScope();
    }

    /// <summary>Greedy continuation and its log probabilities, with the whole sequence computed anew for every token.</summary>
    public List<(int Token, double Logprob)> Greedy(IReadOnlyList<int> prompt, int count, LoraAdapter? adapter = null)
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

    private Tensor Linear(Tensor x, int layer, LoraTarget target, LoraAdapter? adapter)
    {
        var weight = Weight($"model.layers.{layer}.{target.ModulePath()}.weight");
        if (adapter?[layer, target] is { } pair)
            weight = weight + (matmul(pair.B.to(ScalarType.Float64), pair.A.to(ScalarType.Float64)) * adapter.Scale);
        return matmul(x, weight.t());
    }

    private Tensor Norm(Tensor x, Tensor weight) => x / (x.pow(2).mean([1], keepdim: true) + config.NormEpsilon).sqrt() * weight;

    private Tensor Rotate(Tensor x)
    {
        long n = x.shape[0], half = config.HeadSize / 2;
        var angles = zeros(n, half, ScalarType.Float64);
        for (long position = 0; position < n; position++)
        {
            for (long i = 0; i < half; i++)
                angles[position, i] = position * Math.Pow(config.RopeTheta, -2.0 * i / config.HeadSize);
        }
        var (cos, sin) = (cat([angles.cos(), angles.cos()], 1).unsqueeze(1), cat([angles.sin(), angles.sin()], 1).unsqueeze(1));
        var turned = cat([-x.narrow(2, half, half), x.narrow(2, 0, half)], 2);
        return (x * cos) + (turned * sin);
    }

    private Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        long n = q.shape[0], groups = config.Heads / config.KeyValueHeads;
        var keys = k.repeat_interleave(groups, 1).transpose(0, 1);
        var values = v.repeat_interleave(groups, 1).transpose(0, 1);
        var scores = matmul(q.transpose(0, 1), keys.transpose(1, 2)) / Math.Sqrt(config.HeadSize);
        var future = ones(n, n, ScalarType.Bool).triu(1);
        var mixed = matmul(nn.functional.softmax(scores.masked_fill(future, double.NegativeInfinity), 2), values);
        return mixed.transpose(0, 1).reshape(n, config.Heads * config.HeadSize);
    }
}
