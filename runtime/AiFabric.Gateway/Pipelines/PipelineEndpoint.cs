using System.Buffers;
using System.Text;
using System.Text.Json;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Limits;
using AiFabric.Gateway.Pipelines.Execution;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Shutdown;
using AiFabric.Gateway.Streaming;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Protocol.Sse;

namespace AiFabric.Gateway.Pipelines;

/// <summary>Answers chat requests to pipelines as a model would: whole, or as a stream.</summary>
public sealed class PipelineEndpoint(PipelineRunner runner, Drain drain, TimeProvider time)
{
    private const string Path = "/v1/chat/completions";

    /// <param name="context">The request.</param>
    /// <param name="body">What it says.</param>
    /// <param name="pipeline">What it asks for.</param>
    /// <param name="spending">Told what all models together used; null where nothing is limited.</param>
    /// <returns>The error to answer with; null when the answer was given.</returns>
    public async Task<OpenAIError?> AnswerAsync(HttpContext context, RequestBody body, ServedPipeline pipeline, Spending? spending)
    {
        if (!context.Request.Path.Equals(Path, StringComparison.OrdinalIgnoreCase))
            return OpenAIError.Invalid($"'{body.Model}' is a pipeline, and pipelines answer {Path} only.", "model", "not_a_model");
        (PipelineRequest? request, OpenAIError? error) = PipelineRequest.Read(body.WithModel(body.Model));
        if (request is null)
            return error;
        string? tenant = context.Features.Get<Tenant>()?.Id;
        var run = new RunContext(
            $"chatcmpl-{Guid.NewGuid():N}", tenant, time, PromptDigester.SessionOf(tenant, context.Request.Headers[CompletionForwarder.SessionHeader].ToString()));
        bool isWhole = false;
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, drain.Cut);
        try
        {
            IAsyncEnumerable<RunOutput> outputs = runner.RunAsync(pipeline, request.Text, run, request.WithStages, ends.Token);
            var reply = new Reply(context, run, body.Model, request, time.GetUtcNow().ToUnixTimeSeconds());
            OpenAIError? failed = request.IsStream ? await reply.StreamAsync(outputs) : await reply.WholeAsync(outputs);
            isWhole = true;
            return failed;
        }
        catch (OperationCanceledException) when (drain.Cut.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            if (context.Response.HasStarted)
                await Reply.WriteAsync(context, JsonSerializer.SerializeToUtf8Bytes(OpenAIError.ShuttingDown().ToResponse(), OpenAIJson.Default.ErrorResponse));
            return OpenAIError.ShuttingDown();
        }
        finally
        {
            if (isWhole)
                spending?.Settle(run.Usage.TotalTokens);
            else
                spending?.SettleAtLeast(run.Usage.TotalTokens);
        }
    }

    /// <summary>One answer on its way to the client.</summary>
    private sealed class Reply(HttpContext context, RunContext run, string model, PipelineRequest request, long created)
    {
        public async Task<OpenAIError?> WholeAsync(IAsyncEnumerable<RunOutput> outputs)
        {
            var text = new StringBuilder();
            RunEnd? end = null;
            await foreach (RunOutput output in outputs)
            {
                text.Append((output as RunOutput.Piece)?.Text);
                end = (output as RunOutput.Ended)?.End;
            }
            if (Failure(end!) is { } failed) // A run's last output is its end.
                return failed;
            var answer = new ChatCompletion
            {
                Id = run.Id,
                Created = created,
                Model = model,
                Choices = [new ChatChoice { Index = 0, Message = new AssistantMessage { Content = text.ToString() }, FinishReason = "stop" }],
                Usage = run.Usage,
                PartialStages = Partial(end!),
            };
            await context.Response.WriteAsJsonAsync(answer, OpenAIJson.Default.ChatCompletion, null, context.RequestAborted);
            return null;
        }

        public async Task<OpenAIError?> StreamAsync(IAsyncEnumerable<RunOutput> outputs)
        {
            await foreach (RunOutput output in outputs)
            {
                switch (output)
                {
                    case RunOutput.Piece piece:
                        await WriteAsync(Chunk(new ChatDelta { Content = piece.Text }));
                        break;
                    case RunOutput.Stage stage:
                        await WriteStageAsync(new IntermediateResult { Stage = stage.Name, Item = stage.Item, Text = stage.Text });
                        break;
                    case RunOutput.Ended { End: var end } when Failure(end) is { } failed:
                        if (context.Response.HasStarted)
                            await WriteAsync(context, JsonSerializer.SerializeToUtf8Bytes(failed.ToResponse(), OpenAIJson.Default.ErrorResponse));
                        return failed; // Written as such when nothing was sent yet.
                    case RunOutput.Ended { End: var end }:
                        await WriteAsync(Chunk(new ChatDelta(), "stop") with { PartialStages = Partial(end) });
                        if (request.WithUsage)
                            await WriteAsync(Chunk(null) with { Usage = run.Usage });
                        await WriteAsync(context, Encoding.UTF8.GetBytes(SseFrame.Done));
                        break;
                }
            }
            return null;
        }

        public static async Task WriteAsync(HttpContext context, byte[] data)
        {
            SseFrame.Write(context.Response.BodyWriter, data);
            await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
        }

        private async Task WriteAsync(ChatCompletionChunk chunk)
        {
            await BeginAsync();
            await WriteAsync(context, JsonSerializer.SerializeToUtf8Bytes(chunk, OpenAIJson.Default.ChatCompletionChunk));
        }

        private async Task WriteStageAsync(IntermediateResult result)
        {
            await BeginAsync();
            context.Response.BodyWriter.Write("event: aifabric.stage\n"u8);
            await WriteAsync(context, JsonSerializer.SerializeToUtf8Bytes(result, OpenAIJson.Default.IntermediateResult));
        }

        /// <summary>The status is free to tell of an error until the first event.</summary>
        private async Task BeginAsync()
        {
            if (context.Response.HasStarted)
                return;
            context.Response.ContentType = "text/event-stream";
            context.Response.Headers.CacheControl = "no-cache";
            await WriteAsync(context, JsonSerializer.SerializeToUtf8Bytes(Chunk(new ChatDelta { Role = "assistant", Content = "" }), OpenAIJson.Default.ChatCompletionChunk));
        }

        private ChatCompletionChunk Chunk(ChatDelta? delta, string? finish = null) => new()
        {
            Id = run.Id,
            Created = created,
            Model = model,
            Choices = delta is null ? [] : [new ChatChunkChoice { Index = 0, Delta = delta, FinishReason = finish }],
        };

        private OpenAIError? Failure(RunEnd end) => end.FailedStage is not { } stage ? null
            : run.WasTurnedAway ? OpenAIError.ShuttingDown()
            : new OpenAIError(StatusCodes.Status502BadGateway, "server_error", $"The stage '{stage}' failed: {end.Reason}.", "stage_failed", stage);

        private static IReadOnlyList<string>? Partial(RunEnd end) => end.Partial.Count > 0 ? end.Partial : null;
    }
}
