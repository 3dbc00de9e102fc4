using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>Plays scenarios against one API server, each in a namespace of its own.</summary>
internal sealed partial class ScenarioRunner(HttpEndpoint server)
{
    private static int _spaces;

    /// <summary>Sends a scenario's requests.</summary>
    /// <returns>For each step what was answered, in words that are the same on every server.</returns>
    public async Task<IReadOnlyList<string>> PlayAsync(Scenario scenario)
    {
        string space = $"conformance-{Interlocked.Increment(ref _spaces)}-space";
        var variables = new Dictionary<string, string>
        {
            ["ns"] = space,
            ["core"] = $"/api/v1/namespaces/{space}",
            ["apps"] = $"/apis/apps/v1/namespaces/{space}",
            ["fabric"] = $"/apis/aifabric.io/v1alpha1/namespaces/{space}",
        };
        await RequireAsync("POST", "/api/v1/namespaces", $$"""{"metadata":{"name":"{{space}}"} }""");
        await UntilAsync("GET", $"/api/v1/namespaces/{space}/serviceaccounts/default", answer => answer.Code == 200);
        try
        {
            var transcript = new Transcript(space);
            var answers = new List<string>();
            foreach (Step step in scenario.Steps)
                answers.Add(await PlayAsync(step, transcript, variables));
            return answers;
        }
        finally
        {
            await server.SendAsync("DELETE", $"/api/v1/namespaces/{space}");
        }
    }

    private async Task<string> PlayAsync(Step step, Transcript transcript, Dictionary<string, string> variables)
    {
        string path = Fill(step.Path, variables);
        string? body = step.Body is null ? null : Fill(step.Body, variables);
        string method = step.Method is "WATCH" or "TABLE" ? "GET" : step.Method;
        string accept = step.Method == "TABLE" ? "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" : "application/json";
        (int Code, JsonNode? Body) answer;
        var clock = Stopwatch.StartNew();
        do
        {
            (int code, string text) = await server.SendAsync(method, path, body, step.ContentType, accept);
            answer = (code, step.Method == "WATCH" && code == 200 ? Events(text) : Parse(text));
        }
        while (!Holds(step, answer) && clock.Elapsed < TimeSpan.FromSeconds(30) && await PauseAsync());
        foreach ((string name, string from) in step.Saves)
            variables[name] = Paths.Text(answer.Body, from);
        return transcript.Write(step, answer.Code, answer.Body);
    }

    private static bool Holds(Step step, (int Code, JsonNode? Body) answer) => step.Until is not { } until
        || (until.Path == "code" ? $"{answer.Code}" : Paths.Text(answer.Body, until.Path)) == until.Value;

    private static async Task<bool> PauseAsync()
    {
        await Task.Delay(100, TestContext.Current.CancellationToken);
        return true;
    }

    /// <summary>A server sends bookmarks when it likes, except for the one that ends the initial events.</summary>
    private static JsonArray Events(string text) =>
    [
        .. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line))
            .Where(line => line?["type"]?.ToString() != "BOOKMARK" || line["object"]?["metadata"]?["annotations"] is not null)
            .Select(line => line?["type"]?.ToString() == "BOOKMARK" ? new JsonObject { ["type"] = "BOOKMARK" } : Unwrap(line)),
    ];

    /// <summary>"object" is left out of transcripts, for tables carry one in each row.</summary>
    private static JsonObject Unwrap(JsonNode? line) => new() { ["type"] = line?["type"]?.DeepClone(), ["of"] = line?["object"]?.DeepClone() };

    private static JsonNode? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (System.Text.Json.JsonException)
        {
            return JsonValue.Create(text.Trim());
        }
    }

    private async Task RequireAsync(string method, string path, string body)
    {
        (int code, string said) = await server.SendAsync(method, path, body);
        Assert.True(code < 300, $"{method} {path} answered {code}: {said}");
    }

    private async Task UntilAsync(string method, string path, Func<(int Code, string Body), bool> holds)
    {
        var clock = Stopwatch.StartNew();
        while (await server.SendAsync(method, path) is var answer && !holds(answer))
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), $"{method} {path} still answers {answer.Code}: {answer.Body}");
            await PauseAsync();
        }
    }

    private static string Fill(string text, Dictionary<string, string> variables) => VariablePattern().Replace(
        text, match => variables.TryGetValue(match.Groups[1].Value, out string? value) ? value : match.Value);

    [GeneratedRegex(@"\{([a-zA-Z]+)\}")]
    private static partial Regex VariablePattern();
}
