using System.Net;
using System.Text;
using System.Text.Json;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Requests as clients send them, and OpenAI's error shape as they read it.</summary>
internal static class Asking
{
    public static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    public static StringContent Chat(string model, bool stream = false) => Json(
        $$"""{"model":"{{model}}","stream":{{(stream ? "true" : "false")}},"messages":[{"role":"user","content":"Hello"}]}""");

    public static Task<HttpResponseMessage> AskAsync(this HttpClient http, string model, string path = "/v1/chat/completions") =>
        http.PostAsync(path, Chat(model));

    /// <summary>Asks for a stream; returns when the headers are here.</summary>
    public static Task<HttpResponseMessage> AskForStreamAsync(this HttpClient http, string model, CancellationToken cancellationToken = default) =>
        http.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Chat(model, stream: true) },
            HttpCompletionOption.ResponseHeadersRead, cancellationToken);

    /// <summary>Checks status and shape of an error.</summary>
    public static async Task<string> RefusedAsync(HttpResponseMessage answer, HttpStatusCode status, string code)
    {
        string body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == status, $"{(int)answer.StatusCode}: {body}");
        JsonElement error = JsonDocument.Parse(body).RootElement.GetProperty("error");
        Assert.Equal(code, error.GetProperty("code").GetString());
        Assert.NotEmpty(error.GetProperty("type").GetString()!); // fails as null too
        return error.GetProperty("message").GetString()!; // asserted on by the caller
    }

    /// <summary>Checks that a field was refused.</summary>
    public static async Task<string> RefusedFieldAsync(HttpResponseMessage answer, string field)
    {
        string body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, $"{(int)answer.StatusCode}: {body}");
        JsonElement error = JsonDocument.Parse(body).RootElement.GetProperty("error");
        Assert.Equal(field, error.GetProperty("param").GetString());
        return error.GetProperty("message").GetString()!; // asserted on by the caller
    }

    /// <summary>Reads exactly one event, with its boundary.</summary>
    public static async Task<string> ReadEventAsync(Stream stream)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var text = new StringBuilder();
        var one = new byte[1];
        while (text.Length < 2 || text[^1] != '\n' || text[^2] != '\n')
        {
            Assert.True(await stream.ReadAsync(one, deadline.Token) == 1, $"The stream ended after '{text}'");
            text.Append((char)one[0]);
        }

        return text.ToString();
    }
}
