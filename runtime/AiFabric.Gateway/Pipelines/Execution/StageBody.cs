using System.Globalization;
using System.Text.Json;
using AiFabric.Crds.Pipelines;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>Writes the request by which a stage asks its model. Pure.</summary>
internal static class StageBody
{
    /// <param name="stage">A stage with <c>modelRef</c>.</param>
    /// <param name="served">OpenAI's name of whom it is for.</param>
    /// <param name="inputs">Its inputs' texts.</param>
    public static byte[] Write(StageSpec stage, string served, IReadOnlyList<string> inputs)
    {
        IReadOnlyList<InputSpec> names = PipelineShape.InputsOf(stage);
        string prompt = stage.Prompt is null
            ? inputs[0]
            : PipelineShape.Placeholder().Replace(stage.Prompt, match => inputs[names.Index().First(name => name.Item.From == match.Groups[1].Value).Index]);
        GenerationParameters? set = stage.Parameters;
        ChatMessage[] messages = stage.System is { } system ? [Message("system", system), Message("user", prompt)] : [Message("user", prompt)];
        return JsonSerializer.SerializeToUtf8Bytes(
            new ChatCompletionRequest
            {
                Model = served,
                Messages = messages,
                Stream = true,
                StreamOptions = new StreamOptions { IncludeUsage = true },
                MaxTokens = set?.MaxTokens,
                Temperature = Number(set?.Temperature),
                TopP = Number(set?.TopP),
                Seed = set?.Seed,
                Stop = set?.Stop is { } stop ? JsonSerializer.SerializeToElement(stop) : null,
            },
            OpenAIJson.Default.ChatCompletionRequest);
    }

    private static ChatMessage Message(string role, string text) => new() { Role = role, Content = JsonSerializer.SerializeToElement(text) };

    private static double? Number(string? text) => text is null ? null : double.Parse(text, CultureInfo.InvariantCulture);
}
