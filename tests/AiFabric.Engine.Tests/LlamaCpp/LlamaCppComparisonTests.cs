using System.Runtime.InteropServices;
using System.Text.Json;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.LlamaCpp.Interop;
using AiFabric.Engine.Tokenization;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>The demo model in the engine and in llama.cpp, an independent implementation, with the same float32 weights.</summary>
public sealed class LlamaCppComparisonTests(ITestOutputHelper output)
{
    private const double Tolerance = 2e-3;
    private const int GreedyTokens = 64;
    private const int PromptCount = 20;

    /// <summary>A decision closer than this is a tie that rounding may break either way: several times the engines' difference of about 1.4e-4.</summary>
    private const double ClearLead = 5e-4;

    /// <summary>Sentences like those of the training text; the jargon file's held-out entries join them.</summary>
    private static readonly string[] Sentences =
    [
        "The",
        "Fellow citizens,",
        "It was a damp, drizzly November morning",
        "The state of the Union is strong, and the people are at peace.",
        "\"I have not the pleasure of understanding you,\" said he, \"of what are you talking?\"",
        "She was not, however, so much surprised as she had expected to be; for",
        "During the last fiscal year the receipts of the Treasury exceeded the expenditures by $3,457,921.40, and",
        "Call the whale what you will, the captain cried,\n\nhe is out there; and we shall find him!",
        "No one who had ever seen the harbour in winter would have supposed that a ship could lie there -- yet there she lay",
        "I recommend to the Congress that the laws of 1862 & 1863 be amended; that the Army, the Navy and the militia be paid (in full) at once.",
    ];

    [Fact]
    public void Every_logit_equals_llama_cpps()
    {
        using var peers = Peers.Open();
        using var engine = new EnginePass(peers.Weights);
        var prompts = Prompts(peers.Tokenizer);
        double largest = 0, scale = 0;
        int positions = 0;
        foreach (int[] prompt in prompts)
        {
            int[] text = [.. prompt, .. peers.LlamaCpp.Greedy(prompt, GreedyTokens).Tokens];
            float[] expected = peers.LlamaCpp.Logits(text), actual = engine.Logits(text);
            Assert.Equal(expected.Length, actual.Length);
            positions += text.Length;
            for (int i = 0; i < expected.Length; i++)
                (largest, scale) = (Math.Max(largest, Math.Abs(expected[i] - actual[i])), Math.Max(scale, Math.Abs(expected[i])));
        }

        output.WriteLine($"{prompts.Length} prompts of {prompts.Min(p => p.Length)} to {prompts.Max(p => p.Length)} tokens with {GreedyTokens} more each:");
        output.WriteLine($"max abs difference {largest:E2} over {positions} positions (largest logit {scale:F1})");
        Assert.InRange(largest, 0, Tolerance);
    }

    [Fact]
    public async Task Greedy_answers_equal_llama_cpps()
    {
        using var peers = Peers.Open();
        var decided = Texts().Select(text => Prompt(peers.Tokenizer, text))
            .Select(prompt => (Prompt: prompt, Answer: peers.LlamaCpp.Greedy(prompt, GreedyTokens)))
            .Where(pair => pair.Answer.Margin >= ClearLead)
            .Take(PromptCount).ToArray();
        Assert.Equal(PromptCount, decided.Length);
        await using var engine = LlmEngine.Load(new EngineOptions { ModelFolder = peers.Folder }, TimeProvider.System, NullLoggerFactory.Instance);
        Generation[] answers;
        using (engine.Hold()) // All at once, so that prompts are cut and decode rows share iterations.
            answers = [.. decided.Select(pair => engine.Submit(EngineTestExtensions.Greedy(pair.Prompt, GreedyTokens)))];

        output.WriteLine(
            $"{decided.Length} answers of {GreedyTokens} tokens; closest decision in llama.cpp: the first led the second by {decided.Min(pair => pair.Answer.Margin):E2}");
        foreach (var (own, peer) in answers.Zip(decided))
            Assert.Equal(peer.Answer.Tokens, (await own.AllAsync()).Select(e => e.Token!.Value)); // Every event has one: without stop tokens answers end by length.
    }

    [Fact]
    public void Texts_have_the_tokens_that_llama_cpp_gives_them()
    {
        using var peers = Peers.Open();
        string[] texts = [.. Sentences, .. JargonTexts(), "  leading, trailing  ", "tabs\tand\r\nlines\n\n\n", "naïve café — 日本語 🙂", "don't I'll we've x=1;y<2"];
        int tokens = 0;
        foreach (string text in texts)
        {
            int[] actual = peers.Tokenizer.Encode(text);
            Assert.Equal(peers.LlamaCpp.Tokenize(text), actual);
            tokens += actual.Length;
        }

        output.WriteLine($"{texts.Length} texts, {tokens} tokens equal");
    }

    [Fact]
    public void Parameters_lie_where_the_binding_says()
    {
        RequireLlamaCpp();
        var defaults = LlamaCppApi.llama_context_default_params();

        Assert.Equal((512u, 2048u, 512u), (defaults.Context, defaults.Batch, defaults.MicroBatch));
        Assert.Equal((4, 4), (defaults.Threads, defaults.BatchThreads));
        Assert.Equal((-1, 1, 1), (defaults.FlashAttention, defaults.KeyType, defaults.ValueType));
        Assert.Equal(56, Marshal.SizeOf<LlamaCppApi.Batch>());
    }

    // Deterministic, of 2 to about 300 tokens: the sentences, then held-out entries.
    private static IEnumerable<string> Texts() => Sentences.Concat(JargonTexts());

    private static int[][] Prompts(HuggingFaceTokenizer tokenizer) => [.. Texts().Take(PromptCount).Select(text => Prompt(tokenizer, text))];

    private static int[] Prompt(HuggingFaceTokenizer tokenizer, string text) => [.. Begin(tokenizer), .. tokenizer.Encode(text)];

    private static int[] Begin(HuggingFaceTokenizer tokenizer) => tokenizer.BeginOfSequenceId is { } begin ? [begin] : [];

    private static IEnumerable<string> JargonTexts() =>
        File.ReadLines(DemoModel.JargonEval).Select(line => JsonSerializer.Deserialize<JsonElement>(line).GetProperty("text").GetString()!); // every line has a text

    private static void RequireLlamaCpp() =>
        Assert.SkipUnless(LlamaCppLibraries.AreInstalled, $"llama.cpp is not in {LlamaCppLibraries.Folder}; tests/prepare.sh installs it.");

    /// <summary>Both sides of a comparison.</summary>
    private sealed class Peers : IDisposable
    {
        private readonly TemporaryFolder temporary = new();

        private Peers(string folder)
        {
            Folder = folder;
            Tokenizer = HuggingFaceTokenizer.Load(folder);
            Weights = DecoderWeights.Load(folder, ScalarType.Float32, CPU);
            LlamaGguf.Write(folder, Weights, temporary.File("model.gguf"));
            LlamaCpp = new LlamaCppModel(temporary.File("model.gguf"), Weights.Config.MaximumPositions, Weights.Config.VocabularySize);
        }

        public string Folder { get; }

        public HuggingFaceTokenizer Tokenizer { get; }

        public DecoderWeights Weights { get; }

        public LlamaCppModel LlamaCpp { get; }

        public static Peers Open()
        {
            RequireLlamaCpp();
            return new Peers(DemoModel.RequireFolder());
        }

        public void Dispose()
        {
            LlamaCpp.Dispose();
            Weights.Dispose();
            temporary.Dispose();
        }
    }
}
