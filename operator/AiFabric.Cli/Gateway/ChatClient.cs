using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Protocol.Sse;

namespace AiFabric.Cli.Gateway;

/// <summary>Streams chat completions from an OpenAI endpoint.</summary>
public sealed class ChatClient(HttpClient http, Uri gateway)
{
    /// <summary>Pieces of the answer as they come. The end of the sequence is the end of the answer.</summary>
    /// <param name="model">OpenAI's model field.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="maxTokens">Tokens at most.</param>
    /// <param name="temperature">0 is greedy.</param>
    /// <param name="seed">Fixes the draw; null leaves it to the server.</param>
    /// <param name="cancellationToken">Leaves the stream, which stops the work on the server.</param>
    /// <exception cref="CliException">The endpoint answered with an error, before or within the stream.</exception>
    public async IAsyncEnumerable<string> StreamAsync(
        string model, IReadOnlyList<ChatMessage> messages, int maxTokens, double temperature, long? seed, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var body = new ChatCompletionRequest
        {
            Model = model,
            Messages = messages,
            MaxTokens = maxTokens,
            Temperature = temperature,
            Seed = seed,
            Stream = true,
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v1/chat/completions"))
        {
            Content = JsonContent.Create(body, OpenAIJson.Default.ChatCompletionRequest),
        };
        if (Environment.GetEnvironmentVariable("OPENAI_API_KEY") is { Length: > 0 } key)
            request.Headers.Authorization = new("Bearer", key);
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode)
            throw Error(await response.Content.ReadAsStringAsync(cancellationToken), (int)response.StatusCode);

        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (string data in SseReader.ReadAsync(stream, cancellationToken))
        {
            if (data == SseFrame.Done)
                yield break;
            if (data.StartsWith("{\"error\"", StringComparison.Ordinal))
                throw Error(data, 502);
            ChatCompletionChunk? chunk = JsonSerializer.Deserialize(data, OpenAIJson.Default.ChatCompletionChunk);
            if (chunk?.Choices is [{ Delta.Content: { Length: > 0 } text }, ..])
                yield return text;
        }

        throw new CliException("the stream stopped without its final event");
    }

    /// <summary>One user message.</summary>
    public static ChatMessage User(string text) => Message("user", text);

    /// <summary>One message of the conversation.</summary>
    public static ChatMessage Message(string role, string text) =>
        new() { Role = role, Content = JsonSerializer.SerializeToElement(text) };

    private static CliException Error(string body, int status)
    {
        try
        {
            return new CliException(JsonSerializer.Deserialize(body, OpenAIJson.Default.ErrorResponse)?.Error.Message ?? body);
        }
        catch (JsonException)
        {
            return new CliException($"the gateway answered {status}: {body}");
        }
    }
}
