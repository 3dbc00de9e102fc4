using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using AiFabric.Gateway.AsyncRuns.Storage;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Shutdown;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using AiFabric.Protocol.Sse;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>
/// A run's life-cycle events as server-sent events, those that were and those to come; the stream ends with the run. It reads what is kept, so that each replica can
/// tell of each run, and a client that was cut off goes on after its <c>Last-Event-ID</c>.
/// </summary>
public sealed class RunFeed(RunStore store, RunTeller teller, Drain drain, TimeProvider time)
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(500);

    /// <summary>Looks without news after which a comment keeps the connection alive.</summary>
    private const int QuietLooks = 30;

    public async Task WriteAsync(HttpContext context, RunRecord run)
    {
        int next = 0;
        if (context.Request.Headers["Last-Event-ID"] is [{ Length: > 0 } last] && (!int.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out next) || next++ == int.MaxValue))
        {
            await OpenAIError.Invalid("'Last-Event-ID' must be the id of an event of this run.", "Last-Event-ID").WriteAsync(context);
            return;
        }
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, drain.Cut);
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-cache";
        OpenAIError? broken;
        try
        {
            broken = await FollowAsync(context, run, next, ends.Token);
        }
        catch (OperationCanceledException) when (drain.Cut.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            broken = OpenAIError.ShuttingDown();
        }
        catch (StorageException) when (context.Response.HasStarted)
        {
            broken = RunEndpoints.StoreLost;
        }
        if (broken is null)
            return;
        // No stream stops without a word: the client goes on after the last event that it had.
        context.Response.BodyWriter.Write("event: error\n"u8);
        SseFrame.Write(context.Response.BodyWriter, JsonSerializer.SerializeToUtf8Bytes(broken.ToResponse(), OpenAIJson.Default.ErrorResponse));
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    /// <returns>What ended the stream before the run; null when the run did.</returns>
    private async Task<OpenAIError?> FollowAsync(HttpContext context, RunRecord run, int next, CancellationToken cancellationToken)
    {
        RunRecord? now = run;
        for (int quiet = 0; now is not null; quiet++)
        {
            await foreach ((int index, PipelineRunEvent happened) in teller.SinceAsync(now, next, cancellationToken))
            {
                await WriteAsync(context, index, happened, cancellationToken);
                (next, quiet) = (index + 1, 0);
            }
            if (now.HasEnded)
                return null;
            if (quiet % QuietLooks == 0)
                SseFrame.WriteComment(context.Response.BodyWriter);
            await context.Response.BodyWriter.FlushAsync(cancellationToken);
            await Task.Delay(Period, time, cancellationToken);
            now = await store.FindAsync(run.Id, cancellationToken);
        }
        return RunEndpoints.Unknown(run.Id);
    }

    private static async Task WriteAsync(HttpContext context, int index, PipelineRunEvent happened, CancellationToken cancellationToken)
    {
        context.Response.BodyWriter.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"id: {index}\nevent: {happened.Type}\n")));
        SseFrame.Write(context.Response.BodyWriter, JsonSerializer.SerializeToUtf8Bytes(happened, PipelineRunJson.Default.PipelineRunEvent));
        await context.Response.BodyWriter.FlushAsync(cancellationToken);
    }
}
