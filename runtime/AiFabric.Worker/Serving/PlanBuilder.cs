using System.Text.Json;
using AiFabric.Engine.Requests;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Serving;

/// <summary>Checks a request body and makes it a plan. Pure but for the tokenizer.</summary>
internal static class PlanBuilder
{
    // OpenAI's default for text completions; chats go on to the end of the context.
    private const int DefaultTextTokens = 16;

    /// <exception cref="ApiException">4xx naming the field at fault.</exception>
    public static GenerationPlan OfChat(ServedModel model, JsonElement json)
    {
        model.RequireGeneration();
        RequestFields.Chat.Check(json);
        var body = JsonBody.Convert(json, OpenAIJson.Default.ChatCompletionRequest);
        string? adapter = model.AdapterOf(body.Model);
        if (body.TopLogprobs is not null && body.Logprobs is not true)
            throw ApiException.Invalid("top_logprobs", "needs 'logprobs': true.");
        int? top = body.Logprobs is true ? SamplingRanges.Integer("top_logprobs", body.TopLogprobs, 0, 0, 20) : null;
        var tools = ToolReader.Read(model, body);
        int[] prompt = PromptReader.OfChat(model, json, body.Messages, tools?.ForTemplate, body.ChatTemplateKwargs);
        if (body is { MaxTokens: not null, MaxCompletionTokens: not null } && body.MaxTokens != body.MaxCompletionTokens)
            throw ApiException.Invalid("max_tokens", "and 'max_completion_tokens' differ; give one of them.");
        string field = body.MaxCompletionTokens is null ? "max_tokens" : "max_completion_tokens";
        int maxTokens = MaxTokens(model, field, body.MaxCompletionTokens ?? body.MaxTokens, prompt.Length, null);
        return Build(model, body, adapter, prompt, maxTokens, top, tools);
    }

    /// <exception cref="ApiException">4xx naming the field at fault.</exception>
    public static GenerationPlan OfText(ServedModel model, JsonElement json)
    {
        model.RequireGeneration();
        RequestFields.Text.Check(json);
        var body = JsonBody.Convert(json, OpenAIJson.Default.CompletionRequest);
        string? adapter = model.AdapterOf(body.Model);
        int? top = body.Logprobs is null ? null : SamplingRanges.Integer("logprobs", body.Logprobs, 0, 0, 5);
        if (body.Echo is true && top is not null)
            throw ApiException.Invalid("echo", "cannot be combined with 'logprobs': prompts get no log probabilities.");
        var (prompt, text) = PromptReader.OfText(model.Backend, body.Prompt);
        int maxTokens = MaxTokens(model, "max_tokens", body.MaxTokens, prompt.Length, DefaultTextTokens);
        return Build(model, body, adapter, prompt, maxTokens, top) with { Echo = body.Echo is true ? text : null };
    }

    private static GenerationPlan Build(ServedModel model, GenerationRequestBody body, string? adapter, int[] prompt, int maxTokens, int? top, ToolRequest? tools = null)
    {
        if (body.StreamOptions is not null && body.Stream is not true)
            throw ApiException.Invalid("stream_options", "needs 'stream': true.");
        return new GenerationPlan
        {
            Model = body.Model ?? model.Name,
            Request = new GenerationRequest
            {
                PromptTokens = prompt,
                MaxTokens = maxTokens,
                Sampling = SamplingRanges.Sampling(body, maxTokens, model.Backend),
                Constraint = FormatReader.Read(model, body, tools),
                Adapter = adapter,
                StopTokens = SamplingRanges.StopTokens(body, model.Backend),
                TopLogprobs = top,
                CacheSalt = body.CacheSalt,
                Priority = body.Priority ?? 0,
            },
            StopStrings = SamplingRanges.StopStrings(body),
            Choices = SamplingRanges.Choices(body),
            Stream = body.Stream is true,
            IncludeUsage = body.StreamOptions?.IncludeUsage is true,
            Tools = tools,
        };
    }

    private static int MaxTokens(ServedModel model, string field, int? asked, int promptTokens, int? fallback)
    {
        int context = model.Backend.MaxContextTokens;
        int wanted = SamplingRanges.Integer(field, asked, Math.Min(fallback ?? int.MaxValue, Math.Max(1, context - promptTokens)), 1, int.MaxValue);
        if ((long)promptTokens + wanted <= context)
            return wanted;
        throw new ApiException(
            400,
            $"This model's context holds {context} tokens. The request needs {(long)promptTokens + wanted}: {promptTokens} of the prompt and {wanted} of the answer ('{field}'). Shorten one of them.",
            promptTokens >= context ? (fallback is null ? "messages" : "prompt") : field,
            RejectionCodes.ContextLengthExceeded);
    }
}
