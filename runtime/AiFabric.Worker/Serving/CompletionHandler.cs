using System.Diagnostics;
using System.Text.Json;
using AiFabric.Engine.Requests;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Hosting;
using AiFabric.Worker.Streaming;

namespace AiFabric.Worker.Serving;

/// <summary>One completion request: (1) check (2) submit every choice (3) stream or gather (4) account for it. Leaving the handler cancels what still runs.</summary>
internal sealed class CompletionHandler(WorkerState state, WorkerMetrics metrics, TimeProvider time, ILogger<CompletionHandler> log)
{
    public static readonly ActivitySource Source = new("AiFabric.Worker");

    public async Task ChatAsync(HttpContext context)
    {
        using var visit = state.Enter();
        var model = state.Model;
        var plan = PlanBuilder.OfChat(model, await JsonBody.ReadObjectAsync(context.Request, context.RequestAborted)).For(context.Request);
        var format = new ChatFormat(plan.Model, plan.Request.TopLogprobs is not null, model.Backend.Tokenizer, time.GetUtcNow());
        await AnswerAsync(context, model, plan, format);
    }

    public async Task TextAsync(HttpContext context)
    {
        using var visit = state.Enter();
        var model = state.Model;
        var plan = PlanBuilder.OfText(model, await JsonBody.ReadObjectAsync(context.Request, context.RequestAborted)).For(context.Request);
        await AnswerAsync(context, model, plan, new TextFormat(plan, model.Backend.Tokenizer, time.GetUtcNow()));
    }

    private async Task AnswerAsync(HttpContext context, ServedModel model, GenerationPlan plan, IReplyFormat format)
    {
        using var activity = Source.StartActivity("generate");
        activity?.SetTag("gen_ai.request.model", plan.Model).SetTag("gen_ai.response.id", format.Id);
        var account = new RequestAccount(metrics, plan, time);
        var generations = new List<Generation>(plan.Choices);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, state.Aborted);
        try
        {
            using var adapter = await model.Backend.HoldAdapterAsync(plan.Request.Adapter, ends.Token);
            for (int choice = 0; choice < plan.Choices; choice++)
                generations.Add(model.Backend.Submit(plan.RequestOf(choice) with { Held = adapter }));
            int minTokens = plan.Request.Sampling.MinTokens;
            var readers = generations.Select((g, choice) => (g, new ChoiceReader(model.Backend.Tokenizer, plan.StopStrings, minTokens, plan.CallsOf(choice)))).ToList();
            var pieces = ChoiceMerge.ReadAsync(readers, ends.Token);
            if (plan.Stream)
                await StreamAsync(context, plan, format, pieces, account, ends.Token);
            else
                await GatherAsync(context, plan, format, pieces, account, ends.Token);
        }
        catch (OperationCanceledException) when (state.Aborted.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            throw ApiException.ShuttingDown();
        }
        finally
        {
            foreach (var generation in generations)
                generation.Dispose();
            account.Close();
            Log.RequestDone(log, context.Request.Path, plan.Model, plan.Request.PromptTokens.Count, account.CachedTokens, account.CompletionTokens, account.FirstMilliseconds, account.Finish, account.Milliseconds);
        }
    }

    private async Task StreamAsync(
        HttpContext context, GenerationPlan plan, IReplyFormat format, IAsyncEnumerable<(int, ChoicePiece)> pieces, RequestAccount account, CancellationToken cancellationToken)
    {
        var events = new EventStream(context.Response);
        var opened = new bool[plan.Choices];
        try
        {
            await foreach (var (choice, piece) in events.SendWhileWaitingAsync(pieces, cancellationToken))
            {
                account.Take(choice, piece);
                if (!opened[choice] && format.Opening(choice) is { } opening)
                    events.Add(opening);
                opened[choice] = true;
                events.Add(format.Chunk(choice, piece));
            }
            if (plan.IncludeUsage)
                events.Add(format.UsageChunk(account.Usage()));
            events.AddDone();
            await events.FlushAsync(cancellationToken);
        }
#pragma warning disable CA1031 // Once the stream has begun no status can tell the client: an error event must, whatever went wrong.
        catch (Exception e) when (events.Started && !context.RequestAborted.IsCancellationRequested)
#pragma warning restore CA1031
        {
            // At shutdown the drain has said it for all streams.
            if (!state.Aborted.IsCancellationRequested)
                Log.StreamFailed(log, e, format.Id);
            var error = state.Aborted.IsCancellationRequested ? ApiException.ShuttingDown() : ErrorMiddleware.Translate(e);
            events.Add(JsonSerializer.SerializeToUtf8Bytes<ErrorResponse>(error.ToResponse(), OpenAIJson.Default.ErrorResponse));
            await events.FlushAsync(context.RequestAborted);
        }
    }

    private static async Task GatherAsync(
        HttpContext context, GenerationPlan plan, IReplyFormat format, IAsyncEnumerable<(int, ChoicePiece)> pieces, RequestAccount account, CancellationToken cancellationToken)
    {
        var gathered = Enumerable.Range(0, plan.Choices).Select(_ => new List<ChoicePiece>()).ToArray();
        await foreach (var (choice, piece) in pieces)
        {
            account.Take(choice, piece);
            gathered[choice].Add(piece);
        }
        var whole = gathered.Select(list => list[^1] with
        {
            Text = string.Concat(list.Select(p => p.Text)),
            Tokens = [.. list.SelectMany(p => p.Tokens)],
            Calls = [.. list.SelectMany(p => p.Calls)],
        }).ToList();
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(format.Whole(whole, account.Usage()), cancellationToken);
    }
}
