using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>Asks an API server about one row of the CEL table.</summary>
internal static class CelAsks
{
    private static int _names;

    /// <summary>Stores what is to be accepted and is refused, with the rule's message at the rule's field, what is to be refused.</summary>
    public static async Task CheckAsync(HttpEndpoint server, CelCase one)
    {
        string name = $"cel-{Interlocked.Increment(ref _names)}";
        string path = $"/apis/aifabric.io/v1alpha1/namespaces/default/{one.Kind.ToLowerInvariant()}s";
        foreach (string spec in one.Refused)
        {
            if (one.Before is not null)
                Assert.Equal((201, ""), Verdict(await server.SendAsync("POST", path, CelRules.Object(one.Kind, name, one.Before).ToJsonString())));
            (int code, string body) = one.Before is null
                ? await server.SendAsync("POST", path, CelRules.Object(one.Kind, name, spec).ToJsonString())
                : await ReplaceAsync(server, path, name, spec);
            Assert.True(code == 422 && body.Contains(one.Message, StringComparison.Ordinal), $"{one} answered {code} to {spec}:\n{body}");
            Assert.Contains($"\"field\":\"{one.Path.Replace("[]", "[0]", StringComparison.Ordinal)}\"", body.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
            if (one.Before is not null)
                await server.SendAsync("DELETE", $"{path}/{name}");
        }
        Assert.Equal((201, ""), Verdict(await server.SendAsync("POST", path, CelRules.Object(one.Kind, name, one.Before ?? one.Accepted).ToJsonString())));
        if (one.Before is not null)
            Assert.Equal((200, ""), Verdict(await ReplaceAsync(server, path, name, one.Accepted)));
        await server.SendAsync("DELETE", $"{path}/{name}");
    }

    /// <summary>A JSON patch of the whole spec: unlike a merge it can take a block away, and it needs no resourceVersion.</summary>
    private static Task<(int Code, string Body)> ReplaceAsync(HttpEndpoint server, string path, string name, string spec) =>
        server.SendAsync("PATCH", $"{path}/{name}", $$"""[{"op":"replace","path":"/spec","value":{{spec}}}]""", "application/json-patch+json");

    private static (int Code, string Trouble) Verdict((int Code, string Body) answer) => (answer.Code, answer.Code < 300 ? "" : answer.Body);
}
