using AiFabric.Engine.Interop;
using AiFabric.Engine.Models.Encoders;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Encoders;

/// <summary>BERT on random weights, against the model written down once more: one text at a time, in Float64, softmax and erf by hand.</summary>
public sealed class BertTests : IDisposable
{
    private const int Vocabulary = 50, Hidden = 12, Intermediate = 20, Layers = 2, Heads = 3, Positions = 16;
    private const double Epsilon = 1e-12;

    private static readonly string Config =
        $$"""
        {"model_type":"bert","hidden_act":"gelu","vocab_size":{{Vocabulary}},"hidden_size":{{Hidden}},"intermediate_size":{{Intermediate}},"num_hidden_layers":{{Layers}},
        "num_attention_heads":{{Heads}},"max_position_embeddings":{{Positions}},"type_vocab_size":2,"layer_norm_eps":1e-12,"position_embedding_type":"absolute"}
        """;

    private readonly TemporaryFolder folder = new();

    public BertTests()
    {
        TorchRuntime.EnsureLoaded();
        folder.Write("config.json", Config);
    }

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("", null)]
    [InlineData("bert.", "pooling_mode_mean_tokens")]
    [InlineData("", "pooling_mode_cls_token")]
    public void Vectors_equal_the_model_written_plainly(string prefix, string? pooling)
    {
        long tensors = LiveTensors.Settled();
        using (NewDisposeScope())
        {
            Write(prefix);
            WritePooling(pooling);
            int[][] texts = [[1, 2, 3, 4, 5], [7], [.. Enumerable.Range(10, Positions)], [5, 4, 3, 2, 1]];
            using var weights = EncoderWeights.Load(folder.Path, CPU);
            using var file = SafetensorsFile.Open(folder.File("model.safetensors"));
            float[] vectors = [.. weights.Encode(
                tensor(texts.SelectMany(t => t).Select(t => (long)t).ToArray()),
                tensor(texts.SelectMany(t => Enumerable.Range(0, t.Length)).Select(p => (long)p).ToArray()),
                [.. texts.Select(t => t.Length)]).data<float>()];
            for (int i = 0; i < texts.Length; i++)
            {
                using var states = Plain(file, prefix, texts[i]);
                double[] expected = [.. (pooling == "pooling_mode_cls_token" ? states[0] : states.mean([0])).data<double>()];
                Assert.InRange(expected.Zip(vectors.Skip(i * Hidden)).Max(pair => Math.Abs(pair.First - pair.Second)), 0, 1e-4);
            }
        }
        Assert.Equal(tensors, Tensor.TotalCount);
    }

    [Fact]
    public void The_shorter_of_two_lengths_is_the_context()
    {
        folder.Write("sentence_bert_config.json", """{"max_seq_length": 9, "do_lower_case": false}""");
        Assert.Equal((9, Positions), (EncoderConfig.Load(folder.Path).Context, EncoderConfig.Load(folder.Path).MaximumPositions));
        folder.Write("sentence_bert_config.json", """{"max_seq_length": 999}""");
        Assert.Equal(Positions, EncoderConfig.Load(folder.Path).Context);
    }

    [Theory]
    [InlineData("\"mean\"", Pooling.Mean)]
    [InlineData("\"cls\"", Pooling.First)]
    [InlineData("[\"cls\"]", Pooling.First)]
    public void Files_are_read_as_releases_from_5_4_on_write_them(string mode, Pooling expected)
    {
        WritePooling("pooling_mode_max_tokens");
        folder.Write("modules.json", """
            [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.base.modules.normalize.Normalize"}]
            """);
        folder.Write("1_Pooling/config.json", $$"""{"embedding_dimension": {{Hidden}}, "pooling_mode": {{mode}}, "include_prompt": true}""");
        folder.Write("sentence_bert_config.json", """{"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}""");

        var config = EncoderConfig.Load(folder.Path);

        Assert.Equal((expected, Positions), (config.Pooling, config.Context));
    }

    [Theory]
    [InlineData("config.json", "\"absolute\"", "\"relative_key\"", "position_embedding_type")]
    [InlineData("config.json", "\"gelu\"", "\"gelu_new\"", "hidden_act")]
    [InlineData("config.json", "\"type_vocab_size\":2", "\"type_vocab_size\":0", "type_vocab_size")]
    [InlineData("modules.json", "models.Normalize", "models.Dense", "models.Dense")]
    [InlineData("modules.json", "sentence_transformers.models.Transformer", "mine.Transformer", "mine.Transformer")]
    [InlineData("modules.json", "[{", "{", "modules.json")]
    [InlineData("1_Pooling/config.json", "{", "{\"pooling_mode\": [\"mean\", \"cls\"], ", "mean, cls")]
    [InlineData("1_Pooling/config.json", "\"pooling_mode_max_tokens\": false", "\"pooling_mode_max_tokens\": true", "pooling_mode_max_tokens")]
    [InlineData("1_Pooling/config.json", "\"pooling_mode_mean_tokens\": true", "\"pooling_mode_mean_tokens\": false", "no pooling")]
    public void What_is_not_supported_is_refused_by_name(string file, string found, string instead, string cause)
    {
        WritePooling("pooling_mode_mean_tokens");
        Assert.Equal(Pooling.Mean, EncoderConfig.Load(folder.Path).Pooling);
        string text = File.ReadAllText(folder.File(file));
        Assert.Contains(found, text, StringComparison.Ordinal);
        File.WriteAllText(folder.File(file), text.Replace(found, instead, StringComparison.Ordinal));

        Assert.Contains(cause, Assert.Throws<CheckpointException>(() => EncoderConfig.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    private void WritePooling(string? pooling)
    {
        if (pooling is null)
            return;
        folder.Write("modules.json", """
            [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]
            """);
        Directory.CreateDirectory(folder.File("1_Pooling"));
        string[] modes = ["pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_max_tokens"];
        File.WriteAllText(folder.File("1_Pooling/config.json"), $"{{\"word_embedding_dimension\": {Hidden}, {string.Join(", ", modes.Select(mode => $"\"{mode}\": {(mode == pooling ? "true" : "false")}"))}}}");
    }

    private void Write(string prefix)
    {
        manual_seed(3);
        var tensors = new Dictionary<string, Tensor>
        {
            // Beside the weights, as Hugging Face's older files have it.
            ["embeddings.position_ids"] = arange(Positions).unsqueeze(0),
            [prefix + "embeddings.word_embeddings.weight"] = randn(Vocabulary, Hidden),
            [prefix + "embeddings.position_embeddings.weight"] = randn(Positions, Hidden),
            [prefix + "embeddings.token_type_embeddings.weight"] = randn(2, Hidden),
        };
        Norm("embeddings.LayerNorm");
        for (int layer = 0; layer < Layers; layer++)
        {
            string at = $"encoder.layer.{layer}.";
            foreach (string name in (string[])["self.query", "self.key", "self.value", "output.dense"])
                Map(at + "attention." + name, Hidden, Hidden);
            Norm(at + "attention.output.LayerNorm");
            Map(at + "intermediate.dense", Intermediate, Hidden);
            Map(at + "output.dense", Hidden, Intermediate);
            Norm(at + "output.LayerNorm");
        }
        SafetensorsWriter.Write(folder.File("model.safetensors"), tensors);

        void Map(string name, int outputs, int inputs) =>
            (tensors[$"{prefix}{name}.weight"], tensors[$"{prefix}{name}.bias"]) = (randn(outputs, inputs) * (1.5 / Math.Sqrt(inputs)), randn(outputs) * 0.2);

        void Norm(string name) => (tensors[$"{prefix}{name}.weight"], tensors[$"{prefix}{name}.bias"]) = (1 + (randn(Hidden) * 0.2), randn(Hidden) * 0.2);
    }

    // [n, hidden] Float64.
    private static Tensor Plain(SafetensorsFile file, string prefix, int[] tokens)
    {
        using var scope = NewDisposeScope();
        int size = Hidden / Heads;
        var x = Norm(
            W("embeddings.word_embeddings.weight").index_select(0, tensor(tokens.Select(t => (long)t).ToArray()))
            + W("embeddings.position_embeddings.weight").narrow(0, 0, tokens.Length) + W("embeddings.token_type_embeddings.weight")[0], "embeddings.LayerNorm");
        for (int layer = 0; layer < Layers; layer++)
        {
            string at = $"encoder.layer.{layer}.";
            var heads = new Tensor[Heads];
            for (int head = 0; head < Heads; head++)
            {
                Tensor Part(string name) => Map(x, at + "attention.self." + name).narrow(1, head * size, size);
                heads[head] = matmul((matmul(Part("query"), Part("key").t()) / Math.Sqrt(size)).softmax(1), Part("value"));
            }
            x = Norm(x + Map(cat(heads, 1), at + "attention.output.dense"), at + "attention.output.LayerNorm");
            var up = Map(x, at + "intermediate.dense");
            x = Norm(x + Map(up * (1 + (up / Math.Sqrt(2)).erf()) / 2, at + "output.dense"), at + "output.LayerNorm");
        }
        return x.MoveToOuterDisposeScope();

        Tensor W(string name) => file.Read(prefix + name, ScalarType.Float64);

        Tensor Map(Tensor input, string name) => matmul(input, W(name + ".weight").t()) + W(name + ".bias");

        Tensor Norm(Tensor input, string name)
        {
            var centred = input - input.mean([1], keepdim: true);
            return (centred / (centred.square().mean([1], keepdim: true) + Epsilon).sqrt() * W(name + ".weight")) + W(name + ".bias");
        }
    }
}
