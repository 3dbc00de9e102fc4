using System.Diagnostics;
using System.Text;
using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Tokenization.Normalizers;
using AiFabric.Engine.Tokenization.PreTokenizers;
using AiFabric.Engine.Weights;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Tokenization;

public sealed class TokenizerPartsTests
{
    [Theory]
    [InlineData("""{"type":"NFC"}""", "e\u0301\u0323 \u1100\u1161\u11A8 \u212B \uFB01", "\u1EB9\u0301 \uAC01 \u00C5 \uFB01")]
    [InlineData("""{"type":"NFD"}""", "\u1EB9\u0301 \uAC01 \uFB01", "e\u0323\u0301 \u1100\u1161\u11A8 \uFB01")]
    [InlineData("""{"type":"NFKC"}""", "\uFB01 \u2460 \uFF21 \u210C", "fi 1 A H")]
    [InlineData("""{"type":"NFKD"}""", "\uFB01\u00E9 \u3392", "fie\u0301 MHz")]
    [InlineData("""{"type":"Lowercase"}""", "\u0130\u00C4\u03A3", "i\u0307\u00E4\u03C3")]
    [InlineData("""{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"}]}""", "\u00E9\u00FC\u1EB9\u0301", "eue")]
    [InlineData("""{"type":"Strip","strip_left":true,"strip_right":false}""", " a ", "a ")]
    [InlineData("""{"type":"Prepend","prepend":"_"}""", "a", "_a")]
    [InlineData("""{"type":"Prepend","prepend":"_"}""", "", "")]
    [InlineData("""{"type":"Replace","pattern":{"String":"a"},"content":"$0"}""", "bab", "b$0b")]
    [InlineData("""{"type":"Replace","pattern":{"Regex":"\\p{L}+"},"content":"x"}""", "ab1\U0001D49C\U00020000", "x1x")]
    [InlineData("""{"type":"Nmt"}""", "a\u0001\tb\u200B\u007F", "a b ")]
    [InlineData("""{"type":"ByteLevel"}""", "\u00E9 a", "\u00C3\u00A9\u0120a")]
    [InlineData("""{"type":"BertNormalizer"}""", "\u00C9t\u00E9\u0000\t\u65E5", "ete  \u65E5 ")]
    public void Normalizers_change_text_as_their_specification_says(string json, string text, string expected) =>
        Assert.Equal(expected, NormalizerReader.Read(Part(json))(text, continues: false));

    [Theory]
    [InlineData("""{"type":"Prepend","prepend":"_"}""", "a", "a")]
    [InlineData("""{"type":"Strip"}""", " a ", " a")]
    [InlineData("""{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":{"String":" "},"content":"_"}]}""", "a b", "a_b")]
    public void Normalizers_leave_the_start_of_a_text_that_goes_on(string json, string text, string expected) =>
        Assert.Equal(expected, NormalizerReader.Read(Part(json))(text, continues: true));

    [Fact]
    public void Normalization_forms_agree_with_each_other()
    {
        Gen.String.Select(s => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(s))).Sample(text =>
        {
            string composed = UnicodeNormalization.ToNfc(text), decomposed = UnicodeNormalization.ToNfd(text);
            Assert.Equal(composed, UnicodeNormalization.ToNfc(decomposed));
            Assert.Equal(decomposed, UnicodeNormalization.ToNfd(composed));
            Assert.Equal(UnicodeNormalization.ToNfkc(text), UnicodeNormalization.ToNfkc(decomposed));
            Assert.Equal(UnicodeNormalization.ToNfkd(text), UnicodeNormalization.ToNfkd(UnicodeNormalization.ToNfkc(text)));
        });
    }

    // A table of three units: the root (offset 1), 'a' with a leaf, the leaf; 'a' (0x61) lies at 1 ^ 0x61 = 0x60, its leaf beside it.
    [Fact]
    public void A_precompiled_table_replaces_what_it_holds()
    {
        var units = new uint[0x62];
        units[0] = 1u << 10;
        units[0x60] = 0x61 | 0x100 | (1u << 10);
        units[0x61] = 0x8000_0000;
        byte[] table = [.. BitConverter.GetBytes(units.Length * 4), .. units.SelectMany(BitConverter.GetBytes), .. "xyz\0"u8];
        var normalizer = NormalizerReader.Read(Part($$"""{"type":"Precompiled","precompiled_charsmap":"{{Convert.ToBase64String(table)}}"}"""));

        Assert.Equal("xyzbxyz", normalizer("aba", continues: false));
        Assert.Contains("cut off", Refusal(() => NormalizerReader.Read(Part($$"""{"type":"Precompiled","precompiled_charsmap":"{{Convert.ToBase64String(table[..100])}}"}"""))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Removed","invert":false}""", "the-final--countdown", "the|final|countdown")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Isolated","invert":false}""", "the-final--countdown", "the|-|final|-|-|countdown")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithPrevious","invert":false}""", "the-final--countdown", "the-|final-|-|countdown")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":false}""", "the-final--countdown", "the|-final|-|-countdown")]
    [InlineData("""{"type":"Split","pattern":{"String":"-"},"behavior":"Contiguous","invert":false}""", "the-final--countdown", "the|-|final|--|countdown")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Removed","invert":true}""", "a b, c", "a|b|c")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"[^\\r\\n\\p{L}]?\\p{L}+|."},"behavior":"Isolated","invert":false}""", "\U0001F642abc\U0001D49C!", "\U0001F642abc\U0001D49C|!")]
    [InlineData("""{"type":"Whitespace"}""", "a_1 b,, c", "a_1|b|,,|c")]
    [InlineData("""{"type":"WhitespaceSplit"}""", " a,\tb  c", "a,|b|c")]
    [InlineData("""{"type":"Digits","individual_digits":true}""", "a12b", "a|1|2|b")]
    [InlineData("""{"type":"Digits"}""", "a12b", "a|12|b")]
    [InlineData("""{"type":"Punctuation","behavior":"Contiguous"}""", "a,.b$", "a|,.|b|$")]
    [InlineData("""{"type":"BertPreTokenizer"}""", "a, b", "a|,|b")]
    [InlineData("""{"type":"CharDelimiterSplit","delimiter":"-"}""", "a-b", "a|b")]
    [InlineData("""{"type":"Metaspace","replacement":"_","prepend_scheme":"always"}""", "a b  c", "_a|_b|_|_c")]
    [InlineData("""{"type":"Metaspace","replacement":"_","prepend_scheme":"never","split":false}""", "a b", "a_b")]
    [InlineData("""{"type":"Metaspace","replacement":"_","add_prefix_space":false}""", "a b", "a|_b")]
    [InlineData("""{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"_","prepend_scheme":"first"}]}""", "a b", "_a|b")]
    [InlineData("""{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}""", "a b", "\u0120a|\u0120b")]
    [InlineData("""{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}""", "a b", "a\u0120b")]
    public void Pre_tokenizers_cut_text_as_Hugging_Faces_do(string json, string text, string expected)
    {
        var pieces = new List<Piece>();
        PreTokenizerReader.Read(Part(json))(new Piece(text, Before.Nothing), pieces);
        Assert.Equal(expected.Split('|'), pieces.Select(piece => piece.Text));
    }

    [Theory]
    [InlineData("""{"type":"Metaspace","replacement":"_","prepend_scheme":"always"}""", "_a|_b", "_a|_b", "a|_b")]
    [InlineData("""{"type":"Metaspace","replacement":"_","prepend_scheme":"first"}""", "_a|_b", "a|_b", "a|_b")]
    [InlineData("""{"type":"Metaspace","replacement":"_","prepend_scheme":"never"}""", "a|_b", "a|_b", "a|_b")]
    [InlineData("""{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"_"}]}""", "_a|_b", "_a|_b", "a|_b")]
    [InlineData("""{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}""", "\u0120a|\u0120b", "\u0120a|\u0120b", "a|\u0120b")]
    public void A_space_is_put_where_no_text_goes_on(string json, string atStart, string afterBorder, string afterText)
    {
        Assert.Equal(atStart, Cut(Before.Nothing));
        Assert.Equal(afterBorder, Cut(Before.Border));
        Assert.Equal(afterText, Cut(Before.Text));

        string Cut(Before before)
        {
            var pieces = new List<Piece>();
            PreTokenizerReader.Read(Part(json))(new Piece("a b", before), pieces);
            return string.Join('|', pieces.Select(piece => piece.Text));
        }
    }

    [Theory]
    [InlineData("a?+a", "a", "")]
    [InlineData("(ab)*+c|x", "ababc", "ababc")]
    [InlineData("a{2}+", "aaaa", "aaaa")]
    [InlineData(@"\p{^L}\P{^N}", "a!1", "!1")]
    [InlineData(@"(?i:ab)\x{43}", "aBC", "aBC")]
    [InlineData(@"\h+", "xfF0g", "fF0")]
    [InlineData(@"[\w-]+", " a-\u0301b ", "a-\u0301b")]
    [InlineData("^b$", "a\nb\nc", "b")]
    public void Oniguruma_patterns_match_as_they_do_there(string pattern, string text, string expected) =>
        Assert.Equal(expected, OnigurumaPattern.ToRegex(pattern, "x").Match(text).Value);

    [Fact]
    public void An_expression_that_is_used_much_is_compiled_and_finds_the_same()
    {
        var pattern = TextPattern.OfRegex(@" ?\p{L}+| ?\p{N}+|\s+", "x");
        string text = string.Concat(Enumerable.Repeat("So 1 and \U0001D49C 22 go.\n", 300));

        var interpreted = pattern.Find(text);
        Assert.True(SpinWait.SpinUntil(() => pattern.IsCompiled, TimeSpan.FromSeconds(30)));

        Assert.Equal(interpreted, pattern.Find(text));
        Assert.NotEmpty(interpreted);
    }

    [Theory]
    [InlineData("[a[bc]]", "a class within a class")]
    [InlineData("[a&&b]", "an intersection")]
    [InlineData(@"\p{Han}", "'Han'")]
    [InlineData(@"\X", @"'\X'")]
    [InlineData("(?<name>a)", "a named group")]
    [InlineData("(?m:a)", "'(?m'")]
    [InlineData("(a", "is not supported")]
    [InlineData("[a", "not closed")]
    [InlineData("a**", "quantifier")]
    public void Patterns_that_NET_would_read_otherwise_are_refused(string pattern, string cause) =>
        Assert.Contains(cause, Refusal(() => OnigurumaPattern.ToRegex(pattern, "x")), StringComparison.Ordinal);

    [Theory]
    [InlineData("\"Lowercase\"", "\"Magic\"", "normalizer: the normalizer 'Magic'")]
    [InlineData("\"Metaspace\"", "\"Magic\"", "pre_tokenizer: the pre_tokenizer 'Magic'")]
    [InlineData("\"Fuse\"", "\"CTC\"", "decoder.decoders[1]: the decoder 'CTC'")]
    [InlineData("\"stop\":0", "\"stop\":1", "only spaces at the start")]
    [InlineData("\"RobertaProcessing\"", "\"Magic\"", "the post_processor 'Magic'")]
    [InlineData("\"sep\":[\"<s>\",0]", "\"sep\":[\"<s>\",9]", "the token 9")]
    [InlineData("\"Unigram\"", "\"WordLevel\"", "the model 'WordLevel'")]
    [InlineData("\"unk_id\":0", "\"unk_id\":7", "unk_id: is 7")]
    [InlineData("\"unk_id\":0", "\"alpha\":0", "'alpha', which is not supported")]
    [InlineData("\"prepend_scheme\":\"always\"", "\"prepend_scheme\":\"often\"", "'often'")]
    [InlineData("-1.5", "\"x\"", "is no token with its log probability")]
    [InlineData("\"version\":\"1.0\"", "\"magic\":1", "'magic'")]
    public void Unknown_parts_are_refused_by_name(string found, string replacement, string expected)
    {
        const string Valid =
            """
            {"version":"1.0","added_tokens":[{"id":0,"content":"<s>","special":true}],"normalizer":{"type":"Lowercase"},
            "pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},
            "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
            "post_processor":{"type":"RobertaProcessing","cls":["<s>",0],"sep":["<s>",0]},"model":{"type":"Unigram","unk_id":0,"vocab":[["<s>",0],["a",-1.5]]}}
            """;
        Assert.Equal([0, 0, 1, 0], Parse(Valid).Encode("A", addMarks: true));
        Assert.Contains(found, Valid, StringComparison.Ordinal);
        Assert.Contains(expected, Refusal(() => Parse(Valid.Replace(found, replacement, StringComparison.Ordinal))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, new[] { 1, 3, 4, 2 })]
    [InlineData(false, null, new[] { 3, 4, 2 })]
    [InlineData(null, false, new[] { 1, 3, 4 })]
    [InlineData(true, true, new[] { 1, 3, 4, 2 })]
    public void The_settings_overrule_the_marks_of_the_post_processor(bool? begin, bool? end, int[] expected)
    {
        const string Text =
            """
            {"added_tokens":[{"id":1,"content":"<s>","special":true},{"id":2,"content":"</s>","special":true}],
            "post_processor":{"type":"BertProcessing","cls":["<s>",1],"sep":["</s>",2]},"model":{"type":"BPE","vocab":{"a":3,"b":4},"merges":[]}}
            """;
        var tokenizer = Parse(Text, new TokenizerSettings(null, "<s>", "</s>", begin) { AddEndOfSequence = end });
        Assert.Equal(expected, tokenizer.Encode("ab", addMarks: true));
        Assert.Equal([3, 4], tokenizer.Encode("ab"));
    }

    [Fact]
    public void A_single_word_is_found_where_no_letter_touches_it() => Assert.Equal(
        [0, 5, 1, 2, 3, 4, 5, 0],
        Parse("""{"added_tokens":[{"id":0,"content":"one","single_word":true}],"model":{"type":"BPE","vocab":{"o":1,"n":2,"e":3,"s":4," ":5},"merges":[]}}""").Encode("one ones one"));

    [Fact]
    public void Control_marks_of_a_prompt_count_only_where_the_template_wrote_them()
    {
        var tokenizer = Parse(
            """{"added_tokens":[{"id":1,"content":"<s>","special":true},{"id":2,"content":"<tool>","special":false}],"model":{"type":"BPE","vocab":{"<":3,"s":4,">":5},"merges":[]}}""");

        Assert.Equal([1, 3, 4, 5, 1], tokenizer.Encode([new("<s>", true), new("<s>", false), new("<", true), new("s>", true)]));
        Assert.Equal([3, 4, 5, 2], tokenizer.Encode([new("<", true), new("s", false), new(">", true), new("<tool>", false)]));
    }

    [Fact]
    public void The_first_space_falls_away_where_a_text_begins_and_stays_where_it_goes_on()
    {
        var tokenizer = Parse(
            """
            {"added_tokens":[{"id":0,"content":"<s>","special":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":{"String":" "},"content":"_"}]},
            "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
            "model":{"type":"BPE","byte_fallback":true,"unk_token":"<s>","vocab":{"<s>":0,"_":1,"a":2,"_a":3,"<0xC3>":4,"<0xA9>":5,"<0xE2>":6},"merges":["_ a"]}}
            """);

        int[] ids = tokenizer.Encode("a \u00E9");
        Assert.Equal([3, 1, 4, 5], ids);
        Assert.Equal("a \u00E9", tokenizer.Decode(ids));
        Assert.Equal(" a \u00E9", tokenizer.Decode(ids, continues: true));
        Assert.Equal(" a"u8, tokenizer.TokenBytes(3));
        Assert.Equal([0xC3], tokenizer.TokenBytes(4).ToArray());
        Assert.Equal("\uFFFDa", tokenizer.Decode([6, 2]));
        Assert.Equal("  a", tokenizer.Decode([0, 1, 1, 3]));
        Gen.Int[0, 6].Array.Sample(tokens =>
        {
            var stream = new IncrementalDetokenizer(tokenizer);
            string text = string.Concat(tokens.Select(stream.Append)) + stream.Flush();
            return text == tokenizer.Decode(tokens);
        });
    }

    [Fact]
    public void A_long_word_takes_no_quadratic_time()
    {
        var tokenizer = Parse("""{"model":{"type":"BPE","vocab":{"a":0,"aa":1,"aaaa":2,"aaaaaaaa":3},"merges":["a a","aa aa","aaaa aaaa"]}}""");
        var unigram = Parse("""{"model":{"type":"Unigram","vocab":[["a",-2],["aa",-3],["aaaaaaaa",-4]]}}""");
        string word = new('a', 400_000);
        var time = Stopwatch.StartNew();

        Assert.Equal(50_000, tokenizer.Encode(word).Length);
        Assert.Equal(50_000, unigram.Encode(word).Length);
        // Quadratic time would be hours.
        Assert.InRange(time.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(30));
    }

    private static JsonPart Part(string json) => new(JsonSerializer.Deserialize<JsonElement>(json), "x");

    private static HuggingFaceTokenizer Parse(string json, TokenizerSettings? settings = null) =>
        HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(json), settings ?? new TokenizerSettings(null, null, null, null), "tokenizer.json");

    private static string Refusal(Func<object> read) => Assert.Throws<CheckpointException>(read).Message;
}
