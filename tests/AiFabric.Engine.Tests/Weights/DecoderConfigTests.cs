using AiFabric.Engine.Weights;
using Xunit;

namespace AiFabric.Engine.Tests.Weights;

public sealed class DecoderConfigTests
{
    private const string Minimal =
        """{"model_type":"llama","hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,"vocab_size":300""";

    [Fact]
    public void Absent_fields_take_the_ecosystems_defaults()
    {
        var config = DecoderConfig.Parse(Minimal + "}", "config.json");

        Assert.Equal(4, config.KeyValueHeads);
        Assert.Equal(16, config.HeadSize);
        Assert.Equal(2048, config.MaximumPositions);
        Assert.Equal(new Rope(10_000), config.Rope);
        Assert.Empty(config.AttentionByLayer);
        Assert.Equal(1e-6, config.NormEpsilon);
        Assert.False(config.TieWordEmbeddings);
        Assert.Null(config.BeginOfSequenceId);
        Assert.Empty(config.EndOfSequenceIds);
    }

    [Fact]
    public void Written_config_reads_back_equal()
    {
        var config = DecoderConfig.Parse(
            Minimal + ""","num_key_value_heads":2,"head_dim":32,"tie_word_embeddings":true,"bos_token_id":1,"eos_token_id":[0,2],"rope_theta":5e5}""", "c");

        var again = DecoderConfig.Parse(config.ToJson("bfloat16"), "c");

        Assert.Equal([0, 2], again.EndOfSequenceIds);
        Assert.Equal(config with { EndOfSequenceIds = [] }, again with { EndOfSequenceIds = [] });
    }

    [Theory]
    [InlineData("""{"model_type":"mamba"}""", "model_type is 'mamba'; supported are 'gemma2', 'gemma3_text', 'llama', 'mistral', 'qwen2', 'qwen3', 'smollm3'")]
    [InlineData("""{"model_type":7}""", "model_type is 7; it must be a string")]
    [InlineData("{}", "model_type is '(absent)'")]
    [InlineData("""{"model_type":"llama"}""", "num_attention_heads is missing|hidden_size is missing")]
    [InlineData("[]", "top level is not an object")]
    [InlineData("{", "not valid JSON")]
    [InlineData(Minimal + ""","architectures":["LlamaForSequenceClassification"]}""", "architectures is [\"LlamaForSequenceClassification\"]; it must be [\"LlamaForCausalLM\"]")]
    [InlineData(Minimal + ""","quantization_config":{"bits":4}}""", "quantized checkpoints")]
    [InlineData(Minimal + ""","num_local_experts":8}""", "mixtures of experts")]
    [InlineData(Minimal + ""","vision_config":{}}""", "only text models")]
    [InlineData(Minimal + ""","use_bidirectional_attention":true}""", "use_bidirectional_attention is true")]
    [InlineData(Minimal + ""","attention_bias":1}""", "attention_bias is 1; it must be true or false")]
    [InlineData(Minimal + ""","hidden_act":"gelu"}""", "hidden_act is \"gelu\": only 'silu' is supported")]
    [InlineData(Minimal + ""","num_key_value_heads":3}""", "multiple of num_key_value_heads (3)")]
    [InlineData(Minimal + ""","head_dim":15}""", "must be even")]
    [InlineData(Minimal + ""","rms_norm_eps":"small"}""", "rms_norm_eps")]
    [InlineData(Minimal + ""","max_position_embeddings":0}""", "must be a positive integer")]
    [InlineData(Minimal + ""","eos_token_id":-1}""", "must be a token id")]
    public void Unsupported_or_senseless_config_is_refused_with_the_field(string json, string expected)
    {
        var error = Assert.Throws<CheckpointException>(() => DecoderConfig.Parse(json, "x/config.json"));

        Assert.StartsWith("x/config.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected.Split('|'), part => error.Message.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public void Missing_file_is_named()
    {
        var error = Assert.Throws<CheckpointException>(() => DecoderConfig.Load("/nowhere"));
        Assert.Contains("/nowhere/config.json", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, new[] { 0, 2 })]
    [InlineData("""{"do_sample":true,"eos_token_id":null}""", new[] { 0, 2 })]
    [InlineData("""{"eos_token_id":7}""", new[] { 0, 2, 7 })]
    [InlineData("""{"eos_token_id":[2,7,9]}""", new[] { 0, 2, 7, 9 })]
    public void The_generation_config_adds_ends_of_a_text(string? generation, int[] expected)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", Minimal + ""","eos_token_id":[0,2]}""");
        if (generation is not null)
            folder.Write("generation_config.json", generation);

        Assert.Equal(expected, DecoderConfig.Load(folder.Path).EndOfSequenceIds);
    }

    [Theory]
    [InlineData("""{"eos_token_id":-1}""", "eos_token_id is -1; it must be a token id")]
    [InlineData("""{"eos_token_id":[1,"x"]}""", "eos_token_id is \"x\"; it must be a token id")]
    [InlineData("[]", "the top level is not an object")]
    [InlineData("{", "cannot be read")]
    public void A_malformed_generation_config_is_refused_by_file_and_field(string generation, string expected)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", Minimal + "}");
        string path = folder.Write("generation_config.json", generation);

        var error = Assert.Throws<CheckpointException>(() => DecoderConfig.Load(folder.Path));

        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shape_that_a_plain_llama_has_not_is_not_written()
    {
        var config = DecoderConfig.Parse(Minimal + "}", "c");

        Assert.Throws<InvalidOperationException>(() => (config with { NormOffset = 1 }).ToJson("float32"));
        Assert.Throws<InvalidOperationException>(() => (config with { Rope = new Rope(10_000, new LinearScaling(2)) }).ToJson("float32"));
    }
}
