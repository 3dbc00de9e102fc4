using Xunit;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>
/// A small config.json for each way in which decoders differ. Windows are shorter than the tests' texts, and texts longer than the positions
/// that scaled ropes were first trained for; caps are low, so that they bend what the random weights give.
/// </summary>
internal static class FamilyModels
{
    public const int Positions = 256;

    private const string Shape =
        """
        "hidden_size":32,"intermediate_size":48,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":8,"vocab_size":300,
        "max_position_embeddings":256,"rms_norm_eps":1e-5,"eos_token_id":1
        """;

    private static readonly Dictionary<string, string> Configs = new()
    {
        ["llama with biases"] = Config("llama", 2, """ "attention_bias":true,"mlp_bias":true,"tie_word_embeddings":true """),
        ["llama 3.1"] = Config("llama", 2, """ "rope_theta":50000,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":32} """),
        ["llama, linear"] = Config("llama", 2, """ "rope_parameters":{"rope_type":"linear","factor":4,"rope_theta":20000} """),
        ["llama, yarn"] = Config("llama", 2, """ "rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":32,"beta_fast":4} """),
        ["mistral"] = Config("mistral", 2, """ "sliding_window":null """),
        ["mistral, window"] = Config("mistral", 2, """ "sliding_window":13 """),
        ["smollm3"] = Config("smollm3", 4, """ "rope_theta":5000 """),
        ["qwen2"] = Config("qwen2", 2, """ "tie_word_embeddings":true,"sliding_window":13,"use_sliding_window":false """),
        ["qwen2, window"] = Config("qwen2", 3, """ "sliding_window":13,"use_sliding_window":true,"max_window_layers":1 """),
        ["qwen3"] = Config("qwen3", 2, """ "rope_theta":1000000 """),
        ["gemma2"] = Config("gemma2", 3, """ "sliding_window":13,"query_pre_attn_scalar":8,"attn_logit_softcapping":3,"final_logit_softcapping":4 """),
        ["gemma2, scaled"] = Config("gemma2", 2, """ "sliding_window":13,"query_pre_attn_scalar":20,"attn_logit_softcapping":null,"tie_word_embeddings":false """),
        ["gemma3"] = Config("gemma3_text", 7, """ "sliding_window":13,"query_pre_attn_scalar":8,"rope_theta":40000,"rope_local_base_freq":3000,"rope_scaling":{"rope_type":"linear","factor":8} """),
    };

    public static TheoryData<string> All => [.. Configs.Keys];

    /// <summary>What llama.cpp computes too: it knows no windows of Mistral and Qwen, and only Gemma's own scale.</summary>
    public static TheoryData<string> InLlamaCpp => [.. Configs.Keys.Except(["mistral, window", "qwen2, window", "gemma2, scaled"])];

    public static RandomModel Create(string family) => new(Configs[family]);

    private static string Config(string type, int layers, string rest) => $$"""{"model_type":"{{type}}","num_hidden_layers":{{layers}},{{Shape}},{{rest}}}""";
}
