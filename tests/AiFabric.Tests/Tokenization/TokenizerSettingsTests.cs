using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Weights;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Tests.Tokenization;

public sealed class TokenizerSettingsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("aifabric-settings-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Named_templates_and_added_tokens_are_read()
    {
        Write("tokenizer_config.json",
            """
            {"chat_template":[{"name":"rag","template":"r"},{"name":"default","template":"d"},{"name":"tool_use","template":"t"}],"bos_token":{"content":"<s>"},"add_bos_token":false,"add_eos_token":true,
            "added_tokens_decoder":{"300":{"content":"<x>","special":true,"rstrip":true}}}
            """);
        var settings = TokenizerSettings.Load(folder);

        Assert.Equal(("d", "t", "<s>"), (settings.ChatTemplate, settings.ToolChatTemplate, settings.BeginOfSequence));
        Assert.Equal(((bool?)false, (bool?)true), (settings.AddBeginOfSequence, settings.AddEndOfSequence));
        Assert.Equal(new AddedToken(300, "<x>") { Special = true, RightStrip = true }, Assert.Single(settings.AddedTokens));
    }

    [Fact]
    public void A_template_file_goes_before_the_configuration()
    {
        Write("tokenizer_config.json", """{"chat_template":"old"}""");
        Write("chat_template.jinja", "new");
        Assert.Equal("new", TokenizerSettings.Load(folder).ChatTemplate);
    }

    [Fact]
    public void Without_files_nothing_is_set() => Assert.Equal(new TokenizerSettings(null, null, null, null), TokenizerSettings.Load(folder));

    [Theory]
    [InlineData("""{"added_tokens_decoder":{"x":{"content":"a"}}}""", "the key 'x'")]
    [InlineData("""{"added_tokens_decoder":{"1":{"special":true}}}""", "no content")]
    [InlineData("""{"chat_template":[1]}""", "cannot be read")]
    [InlineData("[", "cannot be read")]
    public void Malformed_settings_are_refused_with_the_reason(string json, string expected)
    {
        Write("tokenizer_config.json", json);
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => TokenizerSettings.Load(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Added_tokens_of_the_settings_join_those_of_the_tokenizer()
    {
        TinyTokenizer.Write(folder);
        Write("tokenizer_config.json", """{"bos_token":"<s>","added_tokens_decoder":{"300":{"content":"<x>","special":true}}}""");
        var tokenizer = HuggingFaceTokenizer.Load(folder);

        Assert.Equal([300, 'a', TinyTokenizer.End], tokenizer.Encode("<x>a</s>", parseSpecial: true));
        Assert.Equal(301, tokenizer.VocabularySize);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenBytes(280).Length);
    }

    [Fact]
    public void Added_tokens_beyond_the_model_are_text_like_any_other()
    {
        TinyTokenizer.Write(folder, null, "<image>");
        Write("tokenizer_config.json", """{"eos_token":"</s>","added_tokens_decoder":{"300":{"content":"<x>","special":true}}}""");
        var all = HuggingFaceTokenizer.Load(folder);

        var tokenizer = all.Within(TinyTokenizer.Size, NullLogger.Instance);

        Assert.Equal([TinyTokenizer.Size, 'a', 300], all.Encode("<image>a<x>", parseSpecial: true));
        Assert.Equal([.. "<image>a<x>".Select(c => (int)c), TinyTokenizer.End], tokenizer.Encode("<image>a<x></s>", parseSpecial: true));
        Assert.Equal(TinyTokenizer.Size, tokenizer.VocabularySize);
        Assert.Equal(TinyTokenizer.End, tokenizer.EndOfSequenceId);
        Assert.Equal([TinyTokenizer.Begin, TinyTokenizer.End, TinyTokenizer.Turn], tokenizer.SpecialIds.Order());
        Assert.Same(all, all.Within(301, NullLogger.Instance));
        Assert.Equal([.. Enumerable.Range(260, 40), 301], all.UnusedIds(302));
        Assert.Contains(
            "the vocabulary has 256 tokens, but the model only 255", Assert.Throws<CheckpointException>(() => all.Within(255, NullLogger.Instance)).Message, StringComparison.Ordinal);
    }

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(folder, name), text);
}
