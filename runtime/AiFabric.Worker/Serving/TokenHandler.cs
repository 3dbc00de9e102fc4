using System.Text;
using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Hosting;
using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Serving;

/// <summary>Answers <c>/tokenize</c> and <c>/detokenize</c>, as vLLM defines them. Needs no engine.</summary>
internal sealed class TokenHandler(WorkerState state)
{
    public async Task TokenizeAsync(HttpContext context)
    {
        using var visit = state.Enter();
        var answer = Tokenize(state.Model, await JsonBody.ReadObjectAsync(context.Request, context.RequestAborted));
        await context.Response.WriteAsJsonAsync(answer, OpenAIJson.Default.TokenizeResponse, cancellationToken: context.RequestAborted);
    }

    public async Task DetokenizeAsync(HttpContext context)
    {
        using var visit = state.Enter();
        var answer = Detokenize(state.Model, await JsonBody.ReadObjectAsync(context.Request, context.RequestAborted));
        await context.Response.WriteAsJsonAsync(answer, OpenAIJson.Default.DetokenizeResponse, cancellationToken: context.RequestAborted);
    }

    /// <exception cref="ApiException">4xx naming the field at fault.</exception>
    public static TokenizeResponse Tokenize(ServedModel model, JsonElement json)
    {
        RequestFields.Tokenize.Check(json);
        var body = JsonBody.Convert(json, OpenAIJson.Default.TokenizeRequest);
        RequireModel(model, body.Model);
        int[] tokens = Tokens(model, json, body);
        return new TokenizeResponse
        {
            Count = tokens.Length,
            MaxModelLen = model.Backend.MaxContextTokens,
            Tokens = tokens,
            TokenStrs = body.ReturnTokenStrs is true ? [.. tokens.Select(token => Encoding.UTF8.GetString(model.Backend.Tokenizer.TokenBytes(token)))] : null,
        };
    }

    /// <exception cref="ApiException">4xx naming the field at fault.</exception>
    public static DetokenizeResponse Detokenize(ServedModel model, JsonElement json)
    {
        RequestFields.Detokenize.Check(json);
        RequireModel(model, JsonBody.Convert(json, OpenAIJson.Default.DetokenizeRequest).Model);
        if (!json.TryGetProperty("tokens", out var tokens) || tokens.ValueKind == JsonValueKind.Null)
            throw new ApiException(400, "The field 'tokens' is missing.", "tokens", "missing_required_parameter");
        return new DetokenizeResponse { Prompt = PromptReader.Decode(model.Backend, PromptReader.Ids(model.Backend, tokens, "tokens"), "tokens") };
    }

    private static int[] Tokens(ServedModel model, JsonElement json, TokenizeRequest body)
    {
        if ((body.Prompt is null) == (body.Messages is null))
            throw new ApiException(400, "Give either 'prompt' or 'messages'.", "prompt", "missing_required_parameter");
        if (body.Prompt is { } prompt && body.AddGenerationPrompt is not null)
            throw ApiException.Invalid("add_generation_prompt", "belongs to 'messages'; leave it out with a 'prompt'.");
        if (body.Prompt is not null && body.ChatTemplateKwargs is { ValueKind: JsonValueKind.Object })
            throw ApiException.Invalid("chat_template_kwargs", "belongs to 'messages'; leave it out with a 'prompt'.");
        bool hasTools = body.Tools is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0;
        if (body.Prompt is not null && hasTools)
            throw ApiException.Invalid("tools", "belongs to 'messages'; leave it out with a 'prompt'.");
        if (hasTools)
            model.RequireTools("tools");
        var tokenizer = model.Backend.Tokenizer;
        if (body.Prompt is not null)
            return body.AddSpecialTokens ?? true ? PromptReader.Encode(model.Backend, body.Prompt) : tokenizer.Encode(body.Prompt);
        JsonElement[]? tools = hasTools ? [.. ToolReader.Definitions(body.Tools).Select(tool => tool.ToJson())] : null;
        int[] tokens = PromptReader.OfChat(model, json, body.Messages, tools, body.ChatTemplateKwargs, body.AddGenerationPrompt ?? true);
        return body.AddSpecialTokens is true && tokenizer.BeginOfSequenceId is { } begin ? [begin, .. tokens] : tokens;
    }

    // Without one this server's model is meant, as in vLLM.
    private static void RequireModel(ServedModel model, string? name)
    {
        if (name is not null)
            model.AdapterOf(name);
    }
}
