using AiFabric.Engine.Adapters;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Models;

public sealed class DecoderWeightsTests : IDisposable
{
    private readonly RandomModel model = new();

    public void Dispose() => model.Dispose();

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64)]
    public void A_folder_loads_in_any_type_and_frees_everything(ScalarType type)
    {
        long before = LiveTensors.Settled();
        using (var weights = Load(type))
        {
            Assert.Equal(type, weights.Layers[1][LoraTarget.Down].dtype);
            Assert.Equal([32, 48], weights.Layers[1][LoraTarget.Down].shape);
            Assert.Equal(type, weights.Head.dtype);
            Assert.StartsWith("sha256:", weights.Digest, StringComparison.Ordinal);
            Assert.Equal(34_720, weights.ParameterCount);
        }
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void The_digest_tells_weights_and_shapes_apart()
    {
        using var other = new RandomModel(seed: 2);
        using var first = Load();
        using var again = Load();
        using var different = DecoderWeights.Load(other.Path, ScalarType.Float32, CPU);

        Assert.Equal(first.Digest, again.Digest);
        Assert.NotEqual(first.Digest, different.Digest);
    }

    [Fact]
    public void The_digest_is_of_the_files_that_were_loaded_however_late_it_is_asked_for()
    {
        using var other = new RandomModel(seed: 2);
        using var expected = Load();
        using var weights = Load();
        Assert.False(weights.IsDigestKnown);
        string digest = expected.Digest;

        File.Move(Path.Combine(other.Path, "model.safetensors"), Path.Combine(model.Path, "model.safetensors"), overwrite: true);

        Assert.Equal(digest, weights.Digest);
        Assert.True(weights.IsDigestKnown);
    }

    [Fact]
    public void Shards_listed_in_an_index_are_one_model()
    {
        using var whole = Load();
        Shard("model-00002-of-00002.safetensors");
        using var sharded = Load();
        using var scope = NewDisposeScope();

        Assert.Equal(whole.Embedding.sum().item<float>(), sharded.Embedding.sum().item<float>());
        Assert.Equal(whole.Layers[1][LoraTarget.Up].sum().item<float>(), sharded.Layers[1][LoraTarget.Up].sum().item<float>());
    }

    [Fact]
    public void An_index_that_leads_out_of_the_folder_is_refused()
    {
        Shard("../model-00002-of-00002.safetensors");

        Assert.Contains("is not the name of a file in this folder", Assert.Throws<CheckpointException>(() => Load()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "model.layers.2.input_layernorm.weight")]
    [InlineData("\"intermediate_size\": 48", "\"intermediate_size\": 49", "model.layers.0.mlp.gate_proj.weight")]
    [InlineData("\"vocab_size\": 300", "\"vocab_size\": 301", "model.embed_tokens.weight")]
    public void A_config_that_the_weights_contradict_names_the_tensor_and_leaks_nothing(string written, string changed, string named)
    {
        string config = Path.Combine(model.Path, "config.json");
        Assert.Contains(written, File.ReadAllText(config), StringComparison.Ordinal);
        File.WriteAllText(config, File.ReadAllText(config).Replace(written, changed, StringComparison.Ordinal));
        long before = LiveTensors.Settled();

        Assert.Contains(named, Assert.Throws<CheckpointException>(() => Load()).Message, StringComparison.Ordinal);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Theory]
    [InlineData("\"num_hidden_layers\":2", "\"num_hidden_layers\":1", "model.layers.1.")]
    [InlineData("\"attention_bias\":true", "\"attention_bias\":false", "_proj.bias")]
    public void A_tensor_of_a_layer_that_the_config_does_not_ask_for_is_refused(string written, string changed, string named)
    {
        using var biased = FamilyModels.Create("llama with biases");
        string config = Path.Combine(biased.Path, "config.json");
        Assert.Contains(written, File.ReadAllText(config), StringComparison.Ordinal);
        File.WriteAllText(config, File.ReadAllText(config).Replace(written, changed, StringComparison.Ordinal));
        long before = LiveTensors.Settled();

        string refused = Assert.Throws<CheckpointException>(() => DecoderWeights.Load(biased.Path, ScalarType.Float32, CPU)).Message;

        Assert.Contains("takes no part", refused, StringComparison.Ordinal);
        Assert.Contains(named, refused, StringComparison.Ordinal);
        Assert.Throws<CheckpointException>(() => HostWeights.Load(biased.Path, WeightFormat.Q8));
        Assert.Equal(before, Tensor.TotalCount);
    }

    private DecoderWeights Load(ScalarType type = ScalarType.Float32) => DecoderWeights.Load(model.Path, type, CPU);

    // Moves the second layer into a file of its own.
    private void Shard(string second)
    {
        string single = Path.Combine(model.Path, "model.safetensors"), first = "model-00001-of-00002.safetensors";
        using var scope = NewDisposeScope();
        var map = new Dictionary<string, string>();
        using (var file = SafetensorsFile.Open(single))
        {
            foreach (var part in file.Tensors.Keys.GroupBy(name => name.StartsWith("model.layers.1.", StringComparison.Ordinal) ? second : first))
            {
                SafetensorsWriter.Write(Path.Combine(model.Path, Path.GetFileName(part.Key)), [.. part.Select(name => KeyValuePair.Create(name, file.Read(name)))]);
                foreach (string name in part)
                    map[name] = part.Key;
            }
        }
        File.Delete(single);
        File.WriteAllText(Path.Combine(model.Path, "model.safetensors.index.json"), System.Text.Json.JsonSerializer.Serialize(new { weight_map = map }));
    }
}
