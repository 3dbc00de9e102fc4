using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Protocol.Sse;
using Microsoft.AspNetCore.Http;

namespace AiFabric.Cluster.Tests.Gateway.Pipelines;

/// <summary>Scripts a fake worker to answer prompts as a model streams: a chunk for each piece, then the usage, then the final event.</summary>
internal static class TalkingModel
{
    /// <param name="answer">The pieces of the answer to a prompt.</param>
    /// <param name="completionTokens">How many tokens it says that it took; two more are the prompt's.</param>
    public static RequestDelegate Script(Func<string, CancellationToken, IAsyncEnumerable<string>> answer, int completionTokens = 3) => async context =>
    {
        var body = JsonSerializer.Deserialize((string)context.Items[FakeWorker.BodyItem]!, OpenAIJson.Default.ChatCompletionRequest)!;
        string prompt = body.Messages![^1].Content!.Value.GetString()!;
        context.Response.ContentType = "text/event-stream";
        await foreach (string piece in answer(prompt, context.RequestAborted))
            await SendAsync(context, new ChatDelta { Content = piece });
        await SendAsync(context, null, new Usage { PromptTokens = 2, CompletionTokens = completionTokens, TotalTokens = completionTokens + 2 });
        SseFrame.Write(context.Response.BodyWriter, SseFrame.Done);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    };

    /// <summary>Answers at once, with one piece.</summary>
    public static RequestDelegate Script(Func<string, string> answer, int completionTokens = 3) =>
        Script((prompt, _) => new[] { answer(prompt) }.ToAsyncEnumerable(), completionTokens);

    private static async Task SendAsync(HttpContext context, ChatDelta? delta, Usage? usage = null)
    {
        var chunk = new ChatCompletionChunk
        {
            Id = "c",
            Created = 1,
            Model = "m",
            Choices = delta is null ? [] : [new ChatChunkChoice { Index = 0, Delta = delta }],
            Usage = usage,
        };
        SseFrame.Write(context.Response.BodyWriter, JsonSerializer.SerializeToUtf8Bytes(chunk, OpenAIJson.Default.ChatCompletionChunk));
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }
}
