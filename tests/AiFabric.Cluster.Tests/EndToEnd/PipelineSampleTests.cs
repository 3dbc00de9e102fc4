using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>Every sample of docs/pipelines.md, by the very lines that stand there, on the local fabric with a real worker.</summary>
[Collection(FabricTests.Name)]
public sealed partial class PipelineSampleTests(FabricFixture fabric)
{
    [Theory]
    [InlineData("verification", new[] { "answer", "query", "retrieval", "verdict", "summary" })]
    [InlineData("rag", new[] { "passages", "answer", "cite" })]
    [InlineData("map-reduce", new[] { "part-summary", "summary" })]
    [InlineData("best-of-n", new[] { "candidates", "judge" })]
    [InlineData("tally", new[] { "answer", "count" })]
    public async Task A_sample_is_one_kubectl_apply_and_one_curl(string name, string[] stages)
    {
        (string manifest, string body) = Lines(name);
        await fabric.ModelReadyAsync();
        await fabric.KubectlAsync(["apply", "-f", Path.Combine(FabricFixture.Repository, manifest)]);
        await fabric.KubectlAsync(["wait", "--for=condition=Ready", $"aipl/{name}", "--timeout=90s"]);

        string events = await StreamAsync(body);
        Assert.NotEmpty(TextOf(events).Trim());
        string[] made = [.. StageOf().Matches(await StreamAsync(WithStages(body))).Select(match => match.Groups[1].Value).Distinct()];
        Assert.All(stages, stage => Assert.Contains(stage, made));
        await fabric.KubectlAsync(["delete", "aipl", name]);
    }

    [Fact]
    public async Task Rag_cites_for_each_sentence_one_of_the_passages_that_the_answer_was_given()
    {
        (string manifest, string body) = Lines("rag");
        await fabric.ModelReadyAsync();
        await fabric.KubectlAsync(["apply", "-f", Path.Combine(FabricFixture.Repository, manifest)]);
        await fabric.KubectlAsync(["wait", "--for=condition=Ready", "aipl/rag", "--timeout=90s"]);

        string events = await StreamAsync(WithStages(body));

        JsonElement[] stages = [.. events.Split('\n').Where(line => line.StartsWith("data: {\"stage\"", StringComparison.Ordinal)).Select(line => JsonDocument.Parse(line[6..]).RootElement)];
        string passages = Assert.Single(stages, stage => stage.GetProperty("stage").GetString() == "passages").GetProperty("text").GetString()!; // A text is never null.
        string[] sentences = [.. stages.Where(stage => stage.GetProperty("stage").GetString() == "cite").Select(stage => stage.GetProperty("text").GetString()!)];
        Assert.NotEmpty(sentences);
        Assert.All(sentences, sentence => Assert.Contains(CitationOf().Match(sentence).Value, passages, StringComparison.Ordinal));
        Assert.Contains(sentences, sentence => CitationOf().IsMatch(sentence));
        await fabric.KubectlAsync(["delete", "aipl", "rag"]);
    }

    [Fact]
    public async Task A_run_goes_on_without_a_client()
    {
        (string manifest, _) = Lines("map-reduce");
        await fabric.ModelReadyAsync();
        await fabric.KubectlAsync(["apply", "-f", Path.Combine(FabricFixture.Repository, manifest)]);
        await fabric.KubectlAsync(["wait", "--for=condition=Ready", "aipl/map-reduce", "--timeout=90s"]);

        (HttpStatusCode code, string run) = await fabric.PostAsync("/v1/pipelines/map-reduce/runs", """{"input": "Once upon a time"}""");
        Assert.True(code == HttpStatusCode.Accepted, run);
        var address = new Uri(fabric.Gateway, $"/v1/pipelines/map-reduce/runs/{JsonDocument.Parse(run).RootElement.GetProperty("id")}");
        await FabricFixture.UntilAsync(
            async () => JsonDocument.Parse(run = await fabric.ReadAsync(address)).RootElement.GetProperty("status").GetString() == "completed", () => $"the end of {run}");
        await fabric.KubectlAsync(["delete", "aipl", "map-reduce"]);
    }

    [Fact]
    public void Every_sample_stands_in_the_documentation()
    {
        string[] samples = [.. Directory.GetFiles(Path.Combine(FabricFixture.Repository, "samples", "pipelines"), "*.yaml").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];
        Assert.Equal(samples, Commands().Select(lines => lines.Name).Order(StringComparer.Ordinal));
    }

    private async Task<string> StreamAsync(string body)
    {
        (HttpStatusCode status, string events) = await fabric.PostAsync("/v1/chat/completions", body);
        Assert.True(status == HttpStatusCode.OK, events);
        Assert.True(events.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal), events);
        return events;
    }

    private static (string Manifest, string Body) Lines(string name)
    {
        (_, string manifest, string body) = Assert.Single(Commands(), lines => lines.Name == name);
        return (manifest, body);
    }

    private static string WithStages(string body) =>
        body.Replace("\"stream\": true", "\"stream\": true, \"stream_options\": {\"include_intermediate\": true}", StringComparison.Ordinal);

    /// <summary>Each pair of lines: apply this, send that.</summary>
    private static IReadOnlyList<(string Name, string Manifest, string Body)> Commands() =>
    [
        .. CommandsOf().Matches(File.ReadAllText(Path.Combine(FabricFixture.Repository, "docs", "pipelines.md")))
            .Select(match => (Path.GetFileNameWithoutExtension(match.Groups[1].Value), match.Groups[1].Value, match.Groups[2].Value)),
    ];

    private static string TextOf(string events) => string.Concat(events.Split('\n')
        .Where(line => line.StartsWith("data: {\"id\"", StringComparison.Ordinal))
        .Select(line => JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices"))
        .Where(choices => choices.GetArrayLength() > 0 && choices[0].GetProperty("delta").TryGetProperty("content", out _))
        .Select(choices => choices[0].GetProperty("delta").GetProperty("content").GetString()));

    [GeneratedRegex(@"^kubectl apply -f (samples/\S+)\ncurl -N http://127\.0\.0\.1:8080/v1/chat/completions -H 'content-type: application/json' -d '([^']+)'$", RegexOptions.Multiline)]
    private static partial Regex CommandsOf();

    [GeneratedRegex("data: \\{\"stage\":\"([^\"]+)\"")]
    private static partial Regex StageOf();

    [GeneratedRegex(@"\[[\w-]+\]$")]
    private static partial Regex CitationOf();
}
