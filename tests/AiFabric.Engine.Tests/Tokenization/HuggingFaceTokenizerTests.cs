using System.Text;
using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Weights;
using CsCheck;
using Xunit;

namespace AiFabric.Engine.Tests.Tokenization;

public sealed class HuggingFaceTokenizerTests : IDisposable
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Merges_apply_in_their_order_of_rank()
    {
        // "ab" outranks "bc", so that "abc" splits as ab|c; Ġ is the space.
        var tokenizer = Make(["a b", "b c", "Ġ ab", "c c"]);

        Assert.Equal(["ab", "c"], Pieces(tokenizer, "abc"));
        Assert.Equal(["bc", " ab", "cc"], Pieces(tokenizer, "bc abcc"));
        Assert.Equal(["z", "bc"], Pieces(tokenizer, "zbc"));
    }

    [Fact]
    public void Merges_written_as_pairs_mean_the_same()
    {
        string text = TokenizerText(["a b", "Ġ ab"]).Replace("\"a b\"", "[\"a\",\"b\"]", StringComparison.Ordinal);
        folder.Write("tokenizer.json", text);

        Assert.Equal(["ab", " ab"], Pieces(HuggingFaceTokenizer.Load(folder.Path), "ab ab"));
    }

    [Fact]
    public void Words_are_cut_as_GPT2_cuts_them()
    {
        var tokenizer = Make(["a a", "Ġ aa", "Ġ Ġ", "! !", "' s"]);

        Assert.Equal(["aa", "'s", " ", " aa", "!!", "1", "  "], Pieces(tokenizer, "aa's  aa!!1  "));
    }

    [Fact]
    public void Any_text_survives_encoding_and_decoding()
    {
        var tokenizer = Make(["a b", "Ġ a", "t h", "th e", "Ġ the", "Ã ©", "Ġ Ġ", "Ċ Ċ"]);
        Gen.String.Sample(text => tokenizer.Decode(tokenizer.Encode(text)) == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)));
        Gen.String["ab teéh\n\r\t <|>🙂日"].Sample(text => tokenizer.Decode(tokenizer.Encode(text)) == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)));
    }

    [Fact]
    public void Parts_of_a_text_of_bytes_are_encoded_each_by_itself()
    {
        var tokenizer = Make(["a b", "Ġ a"]);
        Gen.String["ab é\n"].Array[1, 5].Sample(
            parts => tokenizer.EncodeParts(parts, parseSpecial: false).SelectMany(ids => ids).SequenceEqual(parts.SelectMany(part => tokenizer.Encode(part))));
    }

    [Fact]
    public void Token_bytes_joined_are_the_texts_bytes()
    {
        var tokenizer = Make(["a b", "Ġ a"]);
        Gen.String.Sample(text =>
        {
            byte[] joined = [.. tokenizer.Encode(text).SelectMany(id => tokenizer.TokenBytes(id).ToArray())];
            return joined.SequenceEqual(Encoding.UTF8.GetBytes(text));
        });
    }

    [Fact]
    public void Marks_in_a_users_text_stay_text_unless_asked_for()
    {
        var tokenizer = Make(["a b"]);

        Assert.DoesNotContain(tokenizer.Encode("ab<|bos|>"), tokenizer.SpecialIds.Contains);
        Assert.Equal("ab<|bos|>", tokenizer.Decode(tokenizer.Encode("ab<|bos|>")));
        int[] parsed = tokenizer.Encode("<|bos|>ab", parseSpecial: true);
        Assert.Equal(2, parsed.Length);
        Assert.Equal(tokenizer.BeginOfSequenceId, parsed[0]);
        Assert.Equal("ab", tokenizer.Decode(parsed));
    }

    [Fact]
    public void Settings_come_from_the_tokenizer_config()
    {
        var tokenizer = Make([]);

        Assert.Equal("{{ x }}", tokenizer.Settings.ChatTemplate);
        Assert.Equal(true, tokenizer.Settings.AddBeginOfSequence);
        Assert.Equal(256, tokenizer.BeginOfSequenceId);
        Assert.Equal(257, tokenizer.EndOfSequenceId);
        Assert.Equal(258, tokenizer.VocabularySize);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenBytes(258).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenBytes(-1).Length);
    }

    [Theory]
    [InlineData("\"BPE\"", "\"Other\"", "the model 'Other'")]
    [InlineData("\"normalizer\":null", "\"normalizer\":{\"type\":\"Magic\"}", "the normalizer 'Magic'")]
    [InlineData("\"add_prefix_space\":false", "\"magic\":true", "pre_tokenizer: has the field 'magic'")]
    [InlineData("\"ByteLevel\"", "\"Magic\"", "the pre_tokenizer 'Magic'")]
    [InlineData("\"vocab\"", "\"vocabulary\"", "has the field 'vocabulary'")]
    [InlineData("\"A\":65,", "", "byte 0x41 has no token")]
    [InlineData("{", "[", "not a Hugging Face tokenizer")]
    public void Other_kinds_of_tokenizer_are_refused_with_the_reason(string found, string replacement, string expected)
    {
        string text = TokenizerText(["a b"]);
        Assert.Contains(found, text, StringComparison.Ordinal);
        folder.Write("tokenizer.json", text.Replace(found, replacement, StringComparison.Ordinal));

        var error = Assert.Throws<CheckpointException>(() => HuggingFaceTokenizer.Load(folder.Path));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_tokenizer_is_named()
    {
        var error = Assert.Throws<CheckpointException>(() => HuggingFaceTokenizer.Load(folder.Path));
        Assert.Contains("tokenizer.json: cannot be read", error.Message, StringComparison.Ordinal);
    }

    private static List<string> Pieces(HuggingFaceTokenizer tokenizer, string text) =>
        [.. tokenizer.Encode(text).Select(id => Encoding.UTF8.GetString(tokenizer.TokenBytes(id)))];

    private HuggingFaceTokenizer Make(string[] merges)
    {
        folder.Write("tokenizer.json", TokenizerText(merges));
        folder.Write("tokenizer_config.json", """{"bos_token":"<|bos|>","eos_token":{"content":"<|end|>"},"add_bos_token":true,"chat_template":"{{ x }}"}""");
        return HuggingFaceTokenizer.Load(folder.Path);
    }

    private static string TokenizerText(string[] merges)
    {
        var vocabulary = Enumerable.Range(0, 256).ToDictionary(b => ByteAlphabet.CharacterOf((byte)b).ToString(), b => b);
        vocabulary.Add("<|bos|>", 256);
        vocabulary.Add("<|end|>", 257);
        foreach (string merge in merges)
            vocabulary.Add(merge.Replace(" ", "", StringComparison.Ordinal), vocabulary.Count);
        return JsonSerializer.Serialize(
            new
            {
                normalizer = (object?)null,
                pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true },
                added_tokens = new[] { new { id = 256, content = "<|bos|>", special = true }, new { id = 257, content = "<|end|>", special = true } },
                model = new { type = "BPE", vocab = vocabulary, merges },
            },
            Plain);
    }
}
