using AiFabric.Engine.Adapters;
using AiFabric.Engine.Requests;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Hosting;

namespace AiFabric.Worker.Serving;

/// <summary>Answers <c>/v1/embeddings</c>. Leaving the handler cancels what still runs.</summary>
internal sealed class EmbeddingHandler(WorkerState state, TimeProvider time, ILogger<EmbeddingHandler> log)
{
    // Enough to fill an iteration with short texts, and few of the places where others wait.
    private const int MaxPending = 64;

    public async Task EmbedAsync(HttpContext context)
    {
        using var visit = state.Enter();
        using var activity = CompletionHandler.Source.StartActivity("embed");
        var model = state.Model;
        long start = time.GetTimestamp();
        var json = await JsonBody.ReadObjectAsync(context.Request, context.RequestAborted);
        var plan = EmbeddingPlan.Read(model, json, TenantReader.Read(context.Request), AgeReader.Read(context.Request), MirroredReader.Read(context.Request));
        activity?.SetTag("gen_ai.request.model", plan.Model);
        var answer = await ComputeAsync(context, model, plan);
        Log.EmbeddingsDone(log, plan.Model, plan.Requests.Count, plan.PromptTokens, time.GetElapsedTime(start).TotalMilliseconds);
        await context.Response.WriteAsJsonAsync(answer, OpenAIJson.Default.EmbeddingList, cancellationToken: context.RequestAborted);
    }

    private async Task<EmbeddingList> ComputeAsync(HttpContext context, ServedModel model, EmbeddingPlan plan)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, state.Aborted);
        try
        {
            using var adapter = await model.Backend.HoldAdapterAsync(plan.Requests[0].Adapter, ends.Token);
            var vectors = await ComputeAsync(model.Backend, plan, adapter, ends.Token);
            return new EmbeddingList
            {
                Data = [.. vectors.Select((vector, index) => new EmbeddingItem { Index = index, Embedding = new EmbeddingVector(vector, plan.Base64) })],
                Model = plan.Model,
                Usage = new EmbeddingUsage { PromptTokens = plan.PromptTokens, TotalTokens = plan.PromptTokens },
            };
        }
        catch (OperationCanceledException) when (state.Aborted.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            throw ApiException.ShuttingDown();
        }
    }

    private static async Task<List<float[]>> ComputeAsync(IModelBackend backend, EmbeddingPlan plan, AdapterHold? adapter, CancellationToken cancellationToken)
    {
        var pending = new Queue<Embedding>();
        var vectors = new List<float[]>(plan.Requests.Count);
        try
        {
            foreach (var request in plan.Requests)
            {
                while (pending.Count == MaxPending || !TryEmbed(backend, request with { Held = adapter }, pending))
                    await TakeAsync();
            }
            while (pending.Count > 0)
                await TakeAsync();
            return vectors;
        }
        finally
        {
            foreach (var embedding in pending)
                embedding.Dispose();
        }

        async Task TakeAsync()
        {
            vectors.Add(await pending.Peek().ReadAsync(cancellationToken));
            pending.Dequeue().Dispose();
            if (plan.Normalize)
                Normalize(vectors[^1]);
        }
    }

    /// <returns>False when the queue is full, but of this request's own inputs too: a place will come free by itself.</returns>
    private static bool TryEmbed(IModelBackend backend, EmbeddingRequest request, Queue<Embedding> pending)
    {
        try
        {
            pending.Enqueue(backend.Embed(request));
            return true;
        }
        catch (EngineRejectedException e) when (e.Code == RejectionCodes.QueueFull && pending.Count > 0)
        {
            return false;
        }
    }

    private static void Normalize(float[] vector)
    {
        double squares = 0;
        foreach (float number in vector)
            squares += (double)number * number;
        double length = Math.Sqrt(squares);
        if (length == 0)
            return; // It has no direction.
        for (int i = 0; i < vector.Length; i++)
            vector[i] = (float)(vector[i] / length);
    }
}
