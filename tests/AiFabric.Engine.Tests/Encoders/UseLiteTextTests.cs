using System.Net;
using System.Text.Json;
using AiFabric.Engine.Tests.Worker;
using AiFabric.Engine.Tokenization;
using AiFabric.Protocol;
using AiFabric.Worker.Backend;
using Xunit;

namespace AiFabric.Engine.Tests.Encoders;

/// <summary>The Universal Sentence Encoder, Lite, from text to vector, behind the worker's endpoints.</summary>
public sealed class UseLiteTextTests(UseLiteFolder model) : IClassFixture<UseLiteFolder>
{
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
        string[][] pairs = [.. (await File.ReadAllLinesAsync(Path.Combine(UseLiteFolder.GoldenFolder, "related.tsv"))).Select(line => line.Split('\t'))];
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
