using AiFabric.Engine.Requests;
using AiFabric.Protocol;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Serving;
using AiFabric.Worker.Streaming;

namespace AiFabric.Worker.Hosting;

/// <summary>Runs a prefill and decodes before the worker says it is ready, so that the first client does not pay for it and a broken engine shows.</summary>
internal static class WarmUp
{
    /// <exception cref="ModelException">The engine loaded, but cannot compute.</exception>
    public static async Task RunAsync(IModelBackend backend, CancellationToken cancellationToken)
    {
        // Beside the iterations, which leave a core free while their own code is compiled.
        Task json = Task.Run(() => UseJson(backend), cancellationToken);
        await GenerateAsync(backend, cancellationToken);
        await json;
    }

    private static async Task GenerateAsync(IModelBackend backend, CancellationToken cancellationToken)
    {
        int[] prompt = backend.Tokenizer.Encode("Warm up.");
        if (!backend.Generates)
        {
            await EmbedAsync(backend, prompt, cancellationToken);
            return;
        }
        using var generation = backend.Submit(new GenerationRequest
        {
            PromptTokens = prompt.Length > backend.MaxContextTokens - 2 ? prompt[..1] : prompt,
            MaxTokens = 2,
            Sampling = new SamplingParameters { Temperature = 0 },
        });
        await foreach (var step in generation.Events.ReadAllAsync(cancellationToken))
        {
            if (step.Finish is FinishReason.Error or FinishReason.Cancelled)
                throw new ModelException($"The warm-up iteration failed: {step.Error ?? step.Finish.ToString()}");
        }
    }

    private static async Task EmbedAsync(IModelBackend backend, int[] text, CancellationToken cancellationToken)
    {
        using var embedding = backend.Embed(new EmbeddingRequest { Tokens = text.Length > backend.MaxContextTokens ? text[..1] : text });
        try
        {
            await embedding.ReadAsync(cancellationToken);
        }
        catch (EngineRejectedException e)
        {
            throw new ModelException($"The warm-up iteration failed: {e.Message}");
        }
    }

    // Hundreds of the serializer's methods are compiled when a body is first read and an event first written: a tenth of a second.
    private static void UseJson(IModelBackend backend)
    {
        var body = JsonBody.Parse("""{"model":"warm-up","messages":[{"role":"user","content":"Warm up."}],"temperature":0,"max_tokens":2,"stream":true}"""u8.ToArray());
        _ = JsonBody.Convert(body, OpenAIJson.Default.ChatCompletionRequest);
        _ = new ChatFormat("warm-up", logprobs: false, backend.Tokenizer, DateTimeOffset.UnixEpoch).Chunk(0, new ChoicePiece("Warm", [], null, 1, 0));
    }
}
