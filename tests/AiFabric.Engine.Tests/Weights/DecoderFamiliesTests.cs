using AiFabric.Engine.Weights;
using Xunit;

namespace AiFabric.Engine.Tests.Weights;

/// <summary>What the fields of known models' config.json come to.</summary>
public sealed class DecoderFamiliesTests
{
    private const string Sizes = "\"hidden_size\":64,\"intermediate_size\":128,\"num_attention_heads\":4,\"vocab_size\":300";

    [Fact]
    public void Llama_3_1()
    {
        var config = Parse("llama", 2,
            """
            "architectures":["LlamaForCausalLM"],"attention_bias":false,"num_key_value_heads":2,"max_position_embeddings":131072,"mlp_bias":false,
            "pretraining_tp":1,"rope_scaling":{"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192,"rope_type":"llama3"},
            "rope_theta":500000.0
            """);

        Assert.Equal(new Rope(500_000, new Llama3Scaling(8, 1, 4, 8192)), config.Rope);
        Assert.Empty(config.AttentionByLayer);
        Assert.Equal((0, 1, false, false, false), (config.NormOffset, config.EmbeddingScale, config.QueryKeyNorms, config.OutputNorms, config.QueryKeyValueBias));
    }

    [Fact]
    public void Llama_with_biases()
    {
        var config = Parse("llama", 2, """ "attention_bias":true,"mlp_bias":true """);

        Assert.Equal((true, true, true), (config.QueryKeyValueBias, config.OutputBias, config.MlpBias));
    }

    [Theory]
    [InlineData("\"sliding_window\":null", null)]
    [InlineData("\"sliding_window\":4096", 4096)]
    [InlineData("\"rope_theta\":1e4", 4096)] // The field's default.
    public void Mistral(string field, int? window)
    {
        var config = Parse("mistral", 2, field);

        Assert.Equal(window, config.AttentionOf(1).Window);
        Assert.Equal((2, 131_072), (Parse("mistral", 2, field + ",\"num_key_value_heads\":2").KeyValueHeads, config.MaximumPositions));
    }

    [Fact]
    public void Qwen_2_5()
    {
        const string Published = """ "num_key_value_heads":2,"max_position_embeddings":32768,"max_window_layers":1,"rope_theta":1e6,"sliding_window":100,"tie_word_embeddings":true """;
        var (off, on) = (Parse("qwen2", 3, Published + ",\"use_sliding_window\":false"), Parse("qwen2", 3, Published + ",\"use_sliding_window\":true"));

        Assert.Equal((true, false, false, true), (off.QueryKeyValueBias, off.OutputBias, off.QueryKeyNorms, off.TieWordEmbeddings));
        Assert.Empty(off.AttentionByLayer);
        Assert.Equal([null, 100, 100], on.AttentionByLayer.Select(layer => layer.Window));
    }

    [Fact]
    public void Qwen_3()
    {
        var config = Parse("qwen3", 2, """ "num_key_value_heads":2,"rope_parameters":{"rope_theta":1000000,"rope_type":"default"},"layer_types":["full_attention","full_attention"] """);

        Assert.Equal((128, true, false), (config.HeadSize, config.QueryKeyNorms, config.QueryKeyValueBias));
        Assert.Equal(new Rope(1_000_000), config.Rope);
    }

    [Fact]
    public void Gemma_2()
    {
        var config = Parse("gemma2", 3, """ "hidden_act":"gelu_pytorch_tanh","query_pre_attn_scalar":144,"sliding_window":50 """);

        Assert.Equal([50, null, 50], config.AttentionByLayer.Select(layer => layer.Window));
        Assert.Equal((50.0, 30.0, 144.0), (config.AttentionSoftCap, config.LogitSoftCap, config.QueryPreAttentionScalar));
        Assert.Equal((1, 8, true, Activation.GeluTanh), (config.NormOffset, config.EmbeddingScale, config.OutputNorms, config.Activation));
        Assert.Equal((256, 4, 8192, true), (config.HeadSize, config.KeyValueHeads, config.MaximumPositions, config.TieWordEmbeddings));
    }

    [Fact]
    public void Gemma_3_in_the_older_spelling()
    {
        var config = Parse("gemma3_text", 7,
            """
            "attn_logit_softcapping":null,"final_logit_softcapping":null,"hidden_activation":"gelu_pytorch_tanh","rope_local_base_freq":10000,"rope_scaling":
            {"factor":8.0,"rope_type":"linear"},"rope_theta":1000000,"sliding_window":512,"sliding_window_pattern":6,"cache_implementation":"hybrid"
            """);

        Assert.Equal([512, 512, 512, 512, 512, null, 512], config.AttentionByLayer.Select(layer => layer.Window));
        Assert.Equal(new Rope(1_000_000, new LinearScaling(8)), config.AttentionByLayer[5].Rope);
        Assert.Equal(new Rope(10_000), config.AttentionByLayer[6].Rope);
        Assert.Equal((null, null, true), (config.AttentionSoftCap, config.LogitSoftCap, config.QueryKeyNorms));
    }

    [Fact]
    public void Gemma_3_in_the_newer_spelling()
    {
        var config = Parse("gemma3_text", 2,
            """
            "layer_types":["sliding_attention","full_attention"],"sliding_window":512,"rope_parameters":{"full_attention":{"rope_theta":1000000,"rope_type":"linear",
            "factor":8},"sliding_attention":{"rope_theta":20000,"rope_type":"default"}}
            """);

        Assert.Equal([new LayerAttention(512, new Rope(20_000)), new LayerAttention(null, new Rope(1_000_000, new LinearScaling(8)))], config.AttentionByLayer);
    }

    [Fact]
    public void SmolLM3()
    {
        var config = Parse("smollm3", 5, """ "no_rope_layer_interval":4 """);

        Assert.Equal([true, true, true, false, true], config.AttentionByLayer.Select(layer => layer.Rope is not null));
        Assert.Equal((2_000_000, 4, true), (config.Rope.Theta, config.KeyValueHeads, config.TieWordEmbeddings));
        Assert.Equal([true, false], Parse("smollm3", 2, """ "no_rope_layers":[1,0] """).AttentionByLayer.Select(layer => layer.Rope is not null));
    }

    [Fact]
    public void Yarn_reaches_as_far_as_it_stretches()
    {
        var config = Parse("llama", 2, """ "max_position_embeddings":32768,"rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":32768} """);

        Assert.Equal(131_072, config.MaximumPositions);
        Assert.Equal(new YarnScaling(4, 32_768, 32, 1, (0.1 * Math.Log(4)) + 1, true), config.Rope.Scaling);
    }

    [Theory]
    [InlineData("llama", "\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":2}", "rope_scaling.rope_type is 'dynamic': its angles change while a sequence grows")]
    [InlineData("llama", "\"rope_scaling\":{\"rope_type\":\"longrope\"}", "rope_scaling.rope_type is 'longrope': supported are 'default', 'linear', 'llama3' and 'yarn'")]
    [InlineData("llama", "\"rope_scaling\":{\"type\":\"linear\"}", "rope_scaling.factor is missing")]
    [InlineData("llama", "\"rope_scaling\":7", "rope_scaling is 7; it must be an object")]
    [InlineData("llama", "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4}", "high_freq_factor (4) must be above low_freq_factor (4)")]
    [InlineData("llama", "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,\"beta_fast\":1,\"beta_slow\":2}", "beta_fast (1) must not be below beta_slow (2)")]
    [InlineData("llama", "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},\"rope_parameters\":{\"rope_theta\":1e4}", "rope_parameters is there too")]
    [InlineData("llama", "\"rope_parameters\":{\"full_attention\":{}}", "rope_parameters differs by type of layer")]
    [InlineData("llama", "\"partial_rotary_factor\":0.5", "partial_rotary_factor is 0.5: rotary embeddings that turn a part")]
    [InlineData("qwen2", "\"hidden_act\":\"relu\"", "hidden_act is \"relu\": only 'silu' is supported")]
    [InlineData("qwen3", "\"layer_types\":[\"full_attention\"]", "layer_types is [\"full_attention\"]; it must be a list with an entry for each of the 2 layers")]
    [InlineData("qwen3", "\"layer_types\":[\"full_attention\",\"linear_attention\"]", "layer_types holds \"linear_attention\"; supported are")]
    [InlineData("qwen3", "\"layer_types\":[\"full_attention\",\"sliding_attention\"]", "but the file turns sliding_window off")]
    [InlineData("gemma2", "\"hidden_activation\":\"gelu\"", "hidden_activation is \"gelu\": only 'gelu_pytorch_tanh' is supported")]
    [InlineData("gemma2", "\"final_logit_softcapping\":0", "final_logit_softcapping is 0; it must be a positive number")]
    [InlineData("gemma3_text", "\"rope_parameters\":{\"full_attention\":{\"rope_theta\":1e6}}", "rope_parameters.sliding_attention is missing")]
    [InlineData("gemma3_text", "\"architectures\":[\"Gemma3ForConditionalGeneration\"]", "it must be [\"Gemma3ForCausalLM\"]")]
    [InlineData("smollm3", "\"no_rope_layers\":[1,2]", "no_rope_layers is 2; it must be 0 or 1")]
    public void What_a_family_does_not_do_is_refused_with_the_field(string type, string field, string expected)
    {
        var error = Assert.Throws<CheckpointException>(() => Parse(type, 2, field));

        Assert.StartsWith("x/config.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    private static DecoderConfig Parse(string type, int layers, string fields) =>
        DecoderConfig.Parse($$"""{"model_type":"{{type}}","num_hidden_layers":{{layers}},{{Sizes}},{{WithHeads(type, fields)}}}""", "x/config.json");

    // Families whose default number of key-value heads the four heads are no multiple of.
    private static string WithHeads(string type, string fields) =>
        type is "mistral" or "qwen2" or "qwen3" && !fields.Contains("num_key_value_heads", StringComparison.Ordinal) ? fields + ",\"num_key_value_heads\":4" : fields;
}
