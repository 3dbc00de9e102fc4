using System.Text;
using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Tokenization.Models;
using AiFabric.Engine.Tokenization.Normalizers;
using AiFabric.Engine.Tokenization.Templates;
using AiFabric.Engine.Weights;
using AiFabric.Tests.Layering;
using AiFabric.Tests.Tokenization;
using Xunit;

namespace AiFabric.Tests.Fuzzing;

/// <summary>Whatever stands in a model folder's JSON: it is read, or refused by a <see cref="CheckpointException"/>.</summary>
public sealed class TokenizerFuzzTests : IDisposable
{
    private const string Text = "Any text: \u00e4\U0001F600 <s></s> abc\n 123";
    private const string Vocabulary = "\"vocab\":{";

    // Two merges, one mark that is text and one that is not.
    private const string Valid =
        """
        {"added_tokens":[{"id":261,"content":"<s>","special":true},{"id":262,"content":" <m>","special":false}],"normalizer":null,
        "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":" ?\\p{L}+|\\s+|."},"behavior":"Isolated"},
        {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]},"model":{"type":"BPE","vocab":{"ab":259,"abc":260},"merges":["a b",["ab","c"]]}}
        """;

    // SentencePiece's two kinds, with every sort of part around them.
    private const string SentencePiece =
        """
        {"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"<s>","special":true,"lstrip":true,"rstrip":true,"single_word":true},{"id":9,"content":"ab","normalized":true}],
        "normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":{"String":" "},"content":"_"},{"type":"Replace","pattern":{"Regex":"\\d{2,}"},"content":"9"},
        {"type":"Strip","strip_left":true,"strip_right":false},{"type":"Precompiled","precompiled_charsmap":"CAAAAAEEAAABAQAAAAA="}]},
        "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":true},{"type":"Split","pattern":{"Regex":"\\s+"},"behavior":"MergedWithNext","invert":false},
        {"type":"Digits","individual_digits":true},{"type":"Punctuation","behavior":"Contiguous"}]},
        "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}},
        "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
        "model":MODEL}
        """;

    private const string Bpe = """{"type":"BPE","unk_token":"<s>","fuse_unk":true,"byte_fallback":true,"ignore_merges":true,"vocab":{"<s>":0,"a":1,"b":2,"ab":3,"_":4,"<0x41>":5,"_a":6},"merges":["a b",["_","a"]]}""";
    private const string Unigram = """{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<s>",0],["a",-1.5],["_a",-2],["ab",-2.5],["<0x41>",-9]]}""";
    private const string WordPiece = """{"type":"WordPiece","unk_token":"<s>","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"<s>":0,"a":1,"##b":2,"_a":3}}""";

    private readonly string folder = Directory.CreateTempSubdirectory("aifabric-fuzz-").FullName;

    public TokenizerFuzzTests() => TinyTokenizer.Write(folder);

    private string Tokenizer => Path.Combine(folder, "tokenizer.json");

    private string Settings => Path.Combine(folder, "tokenizer_config.json");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Tokenizer_json()
    {
        Fuzz.Run(Mutations.OfJson(Valid), 2_000, content => Read(WithBytes(content)));
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(Valid)), 500, content => Read(WithBytes(content)));
        Fuzz.Run(Mutations.OfBytes(File.ReadAllBytes(Tokenizer)), 300, Read);
        Fuzz.Run(Mutations.Random("model", "vocab", "merges", "added_tokens", "pre_tokenizer", "type", "id", "content", "special"), 1_000, Read);
    }

    [Theory]
    [InlineData(Bpe)]
    [InlineData(Unigram)]
    [InlineData(WordPiece)]
    public void Tokenizer_json_of_other_kinds(string model)
    {
        string valid = SentencePiece.Replace("MODEL", model, StringComparison.Ordinal);
        Assert.Equal("\u00E9", UnicodeNormalization.ToNfkc("e\u0301")); // Reads its tables, which are no part of one tokenizer's memory.
        Fuzz.Run(Mutations.OfJson(valid), 2_000, Read);
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(valid)), 500, Read);
    }

    [Theory]
    [InlineData("header-tools")]
    [InlineData("typed-tools")]
    [InlineData("inst-like")]
    public void Chat_templates(string name)
    {
        byte[] valid = File.ReadAllBytes(Path.Combine(Repository.Root, "tests", "golden", "templates", "own", name + ".jinja"));
        JsonElement[] messages = [JsonSerializer.Deserialize<JsonElement>("""{"role":"user","content":"Hi","tool_calls":[{"function":{"name":"f","arguments":{"a":[1,2.5,null]}}}]}""")];
        Fuzz.Run(Mutations.OfBytes(valid), 1_500, content => Refused(() =>
            ChatTemplate.Parse(Encoding.UTF8.GetString(content), "<s>", "</s>").Render([.. messages, .. messages], messages)));
    }

    [Fact]
    public void Tokenizer_settings_and_chat_template()
    {
        byte[] valid = File.ReadAllBytes(Settings);
        Fuzz.Run(Mutations.OfJson(Encoding.UTF8.GetString(valid)), 500, ReadSettings);
        Fuzz.Run(Mutations.OfBytes(valid), 1_500, ReadSettings);
        Fuzz.Run(Mutations.Random("chat_template", "bos_token", "eos_token", "content", "add_bos_token"), 500, ReadSettings);
    }

    [Fact]
    public void Config_json()
    {
        string valid = new DecoderConfig
        {
            HiddenSize = 64,
            IntermediateSize = 96,
            Layers = 2,
            Heads = 4,
            KeyValueHeads = 2,
            HeadSize = 16,
            VocabularySize = 300,
            MaximumPositions = 128,
            BeginOfSequenceId = 1,
            EndOfSequenceIds = [2, 3],
        }.ToJson("float32");
        Fuzz.Run(Mutations.OfJson(valid), 4_000, ReadConfig);
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(valid)), 2_000, ReadConfig);
        Fuzz.Run(Mutations.Random("model_type", "hidden_size", "num_hidden_layers", "head_dim", "rope_theta", "eos_token_id"), 2_000, ReadConfig);
    }

    [Theory]
    [InlineData("""{"model_type":"llama","rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":64}""")]
    [InlineData("""{"model_type":"qwen2","use_sliding_window":true,"sliding_window":8,"max_window_layers":1,"rope_scaling":{"type":"yarn","factor":4,"beta_fast":8}""")]
    [InlineData("""{"model_type":"gemma3_text","layer_types":["sliding_attention","full_attention"],"rope_parameters":{"full_attention":{"rope_theta":1e6,"rope_type":"linear","factor":8},"sliding_attention":{"rope_theta":1e4}}""")]
    [InlineData("""{"model_type":"smollm3","no_rope_layers":[1,0],"architectures":["SmolLM3ForCausalLM"]""")]
    public void Config_json_of_families(string beginning)
    {
        string valid = beginning + ""","hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,"vocab_size":300}""";
        Assert.Equal(2, DecoderConfig.Parse(valid, "config.json").Layers);
        Fuzz.Run(Mutations.OfJson(valid), 2_000, ReadConfig);
    }

    private void Read(byte[] content)
    {
        File.WriteAllBytes(Tokenizer, content);
        Fuzz.Bounded(content.Length, () => Refused(() => Use(HuggingFaceTokenizer.Load(folder))));
    }

    private void ReadSettings(byte[] content)
    {
        File.WriteAllBytes(Settings, content);
        Fuzz.Bounded(content.Length, () => Refused(() =>
        {
            var settings = TokenizerSettings.Load(folder);
            if (settings.ChatTemplate is { } template)
                ChatTemplate.Parse(template, settings.BeginOfSequence, settings.EndOfSequence).Render([new ChatTurn("user", "Hi"), new ChatTurn("assistant", "")]);
        }));
    }

    private static void ReadConfig(byte[] content) => Fuzz.Bounded(content.Length, () => Refused(() =>
    {
        var config = DecoderConfig.Parse(Encoding.UTF8.GetString(content), "config.json");
        // What later sizes its memory by these must neither overflow nor hold nothing.
        Assert.InRange(checked(config.Heads * config.HeadSize), 2, int.MaxValue);
        Assert.InRange(checked(config.KeyValueHeads * config.HeadSize), 2, int.MaxValue);
        Assert.InRange(config.Layers, 1, DecoderConfig.MostLayers);
        Assert.InRange(config.MaximumPositions, 1, DecoderConfig.MostPositions);
        for (int layer = 0; layer < config.Layers; layer++)
            Assert.InRange(config.AttentionOf(layer).Window ?? 1, 1, int.MaxValue);
    }));

    private static void Use(HuggingFaceTokenizer tokenizer)
    {
        Assert.InRange(tokenizer.VocabularySize, 0, TokenModel.MostTokens);
        tokenizer.Decode(tokenizer.Encode(Text, parseSpecial: true, addMarks: true));
        foreach (int id in tokenizer.Encode(Text))
            tokenizer.TokenBytes(id);
    }

    private static void Refused(Action read)
    {
        try
        {
            read();
        }
        catch (Exception e) when (e is CheckpointException or ChatTemplateException)
        {
            Assert.NotEmpty(e.Message);
        }
    }

    // The 256 bytes would draw nearly all edits, so they join the vocabulary after them.
    private static byte[] WithBytes(byte[] edited)
    {
        string bytes = string.Join(',', Enumerable.Range(0, 256).Select(b => $"{JsonSerializer.Serialize(ByteAlphabet.CharacterOf((byte)b).ToString())}:{b}"));
        return Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(edited).Replace(Vocabulary, $"{Vocabulary}{bytes},", StringComparison.Ordinal));
    }
}
