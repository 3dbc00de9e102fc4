using AiFabric.Gateway.AsyncRuns.Storage;
using AiFabric.Gateway.Finetuning;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Limits;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary><c>/v1/pipelines/{name}/runs</c>.</summary>
internal static class RunEndpoints
{
    private const string Route = "/v1/pipelines/{name}/runs";

    /// <summary>Runs read at once for a page.</summary>
    private const int Batch = 32;

    private static readonly PageLimits Limits = new(Default: 20, Most: 100);

    public static void MapAsyncRuns(this WebApplication app)
    {
        RouteGroupBuilder runs = app.MapGroup(Route);
        if (!app.Services.GetRequiredService<IOptions<RunOptions>>().Value.HasRuns)
        {
            runs.Map("/{**rest}", context => Disabled.WriteAsync(context));
            return;
        }
        runs.AddEndpointFilter(TellLostStoreAsync);
        runs.MapPost("", (HttpContext context, string name, RunReader reader, RunStore store, RunKeeper keeper, LimitKeeper limits, TimeProvider time) =>
            CreateAsync(context, ModelName.Unescaped(name), reader, store, keeper, limits, time));
        runs.MapGet("", (HttpContext context, string name, RunStore store, TimeProvider time) => ListAsync(context, ModelName.Unescaped(name), store, time));
        runs.MapGet("/{id}", (HttpContext context, string name, string id, RunStore store, TimeProvider time) =>
            WithAsync(context, name, id, store, run => ShowAsync(context, run, store, time)));
        runs.MapPost("/{id}/cancel", (HttpContext context, string name, string id, RunStore store, RunKeeper keeper, TimeProvider time) =>
            WithAsync(context, name, id, store, run => CancelAsync(context, run, store, keeper, time)));
        runs.MapDelete("/{id}", (HttpContext context, string name, string id, RunStore store, RunKeeper keeper) =>
            WithAsync(context, name, id, store, run => DeleteAsync(context, run, store, keeper)));
        runs.MapGet("/{id}/stages", (HttpContext context, string name, string id, RunStore store) => WithAsync(context, name, id, store, run => StagesAsync(context, run, store)));
        runs.MapGet("/{id}/events", (HttpContext context, string name, string id, RunStore store, RunFeed feed) =>
            WithAsync(context, name, id, store, run => feed.WriteAsync(context, run)));
    }

    private static OpenAIError Disabled => new(
        StatusCodes.Status501NotImplemented, "server_error",
        "This gateway keeps no runs: whoever runs it must set Gateway:RunsFolder or Gateway:RunsStateStore (chart: gateway.runs).", "runs_disabled");

    private static async Task CreateAsync(
        HttpContext context, string name, RunReader reader, RunStore store, RunKeeper keeper, LimitKeeper limits, TimeProvider time)
    {
        (AskedRun? asked, OpenAIError? error) = await reader.ReadAsync(context.Request, name, Caller.Of(context), context.RequestAborted);
        if (asked is null)
        {
            await error!.WriteAsync(context); // one of both
            return;
        }
        if (limits.Admit(context, asked.Input.Length) is { Error: { } refused })
        {
            await refused.WriteAsync(context);
            return;
        }
        (RunRecord run, RunRecord? found) = (asked.Run, null);
        if (run.Reservation is { } key)
        {
            RunReservation had = await store.ReserveAsync(
                key, new RunReservation(run.Id, asked.Digest, run.CreatedAt), TimeSpan.FromSeconds(run.LatestEnd - run.CreatedAt), context.RequestAborted);
            if (had.Digest != asked.Digest)
            {
                await Reused.WriteAsync(context);
                return;
            }
            // One that is not there was interrupted: it is added now, under the name that it was given. One that is there needs no place in the queue, which it may have left.
            found = await store.FindAsync(had.Id, context.RequestAborted);
            run = found ?? run with { Id = had.Id };
            context.Response.Headers["Idempotent-Replayed"] = run.Id == asked.Run.Id ? "false" : "true";
        }
        if (found is null && await store.AddAsync(run, asked.Input, context.RequestAborted) is { } limit)
        {
            await Full(limit).WriteAsync(context);
            return;
        }
        keeper.Wake();
        context.Response.StatusCode = StatusCodes.Status202Accepted;
        context.Response.Headers.Location = $"{context.Request.PathBase}{Route.Replace("{name}", Uri.EscapeDataString(name), StringComparison.Ordinal)}/{run.Id}";
        await Answer.WriteAsync(context, RunView.Show(run, time.GetUtcNow().ToUnixTimeMilliseconds()), PipelineRunJson.Default.PipelineRunObject);
    }

    private static async Task ListAsync(HttpContext context, string name, RunStore store, TimeProvider time)
    {
        (PageQuery? query, OpenAIError? error) = PageQuery.Read(context.Request.Query, Limits);
        if (query is null)
        {
            await error!.WriteAsync(context); // one of both
            return;
        }
        ModelName asked = ModelName.Parse(name);
        IEnumerable<IndexEntry> entries = await store.OfTenantAsync(Caller.Of(context), context.RequestAborted);
        if (query.After is { Length: > 0 } after)
            entries = entries.SkipWhile(entry => entry.Id != after).Skip(1);
        var found = new List<RunRecord>();
        foreach (IndexEntry[] batch in entries.Chunk(Batch))
        {
            found.AddRange((await store.FindAsync(batch.Select(entry => entry.Id), context.RequestAborted)).OfType<RunRecord>().Where(run => asked.Matches(run.Namespace, run.Pipeline)));
            if (found.Count > query.Limit)
                break;
        }
        long now = time.GetUtcNow().ToUnixTimeMilliseconds();
        PipelineRunObject[] page = [.. found.Take(query.Limit).Select(run => RunView.Show(run, now))];
        await Answer.WriteAsync(
            context,
            new PipelineRunPage { Data = page, HasMore = found.Count > query.Limit, FirstId = page.FirstOrDefault()?.Id, LastId = page.LastOrDefault()?.Id },
            PipelineRunJson.Default.PipelineRunPage);
    }

    private static async Task ShowAsync(HttpContext context, RunRecord run, RunStore store, TimeProvider time)
    {
        string? output = await store.ReadOutputAsync(run, context.RequestAborted);
        await Answer.WriteAsync(context, RunView.Show(run, time.GetUtcNow().ToUnixTimeMilliseconds(), output), PipelineRunJson.Default.PipelineRunObject);
    }

    /// <summary>Cancelling twice is cancelling; what has ended otherwise cannot be cancelled.</summary>
    private static async Task CancelAsync(HttpContext context, RunRecord run, RunStore store, RunKeeper keeper, TimeProvider time)
    {
        RunRecord? now = await keeper.EndAsync(run.Id, RunStatus.Cancelled, error: null, context.RequestAborted);
        if (now is null)
            await Unknown(run.Id).WriteAsync(context);
        else if (now.Status != RunStatus.Cancelled)
            await OpenAIError.Invalid($"Run '{run.Id}' has ended: it is {RunView.Name(now.Status)}.", "run_id", "run_ended").WriteAsync(context);
        else
            await ShowAsync(context, now, store, time);
    }

    private static async Task DeleteAsync(HttpContext context, RunRecord run, RunStore store, RunKeeper keeper)
    {
        RunRecord? ended = await keeper.EndAsync(run.Id, RunStatus.Cancelled, error: null, context.RequestAborted);
        if (ended is not null)
            await store.DeleteAsync(ended, CancellationToken.None);
        await Answer.WriteAsync(context, new PipelineRunDeleted { Id = run.Id, Deleted = true }, PipelineRunJson.Default.PipelineRunDeleted);
    }

    /// <summary>What the stages made in the last attempt.</summary>
    private static async Task StagesAsync(HttpContext context, RunRecord run, RunStore store)
    {
        (PageQuery? query, OpenAIError? error) = PageQuery.Read(context.Request.Query, Limits);
        if (query is null)
        {
            await error!.WriteAsync(context); // one of both
            return;
        }
        // Ids are places in the run's log, so that a page is found without reading those before it.
        int skip = query.After is { Length: > 0 } after ? int.TryParse(after.AsSpan(after.LastIndexOf('-') + 1), out int last) ? last + 1 : int.MaxValue : 0;
        var page = new List<PipelineRunStage>();
        await foreach ((int index, RunEntry entry) in store.ReadEntriesAsync(run, skip, context.RequestAborted))
        {
            if (entry.Stage is null || entry.Item is null || entry.Attempt != run.Attempts)
                continue;
            page.Add(new PipelineRunStage { Id = $"{run.Id}-{index}", Stage = entry.Stage, Item = entry.Item, Text = entry.Text, Characters = entry.Characters, FinishedAt = entry.At / 1_000 });
            if (page.Count > query.Limit)
                break;
        }
        await Answer.WriteAsync(
            context, new PipelineRunStagePage { Data = [.. page.Take(query.Limit)], HasMore = page.Count > query.Limit }, PipelineRunJson.Default.PipelineRunStagePage);
    }

    /// <summary>Finds a run of the caller's: another tenant's does not exist.</summary>
    private static async Task WithAsync(HttpContext context, string name, string id, RunStore store, Func<RunRecord, Task> answer)
    {
        if (await store.FindAsync(id, context.RequestAborted) is { } run && run.Tenant == Caller.Of(context) && ModelName.Parse(ModelName.Unescaped(name)).Matches(run.Namespace, run.Pipeline))
            await answer(run);
        else
            await Unknown(id).WriteAsync(context);
    }

    internal static OpenAIError Unknown(string id) => OpenAIError.NotFound($"There is no run '{id}'.", "run_not_found", "run_id");

    internal static OpenAIError StoreLost => new(
        StatusCodes.Status503ServiceUnavailable, "server_error", "The gateway's store of runs does not answer; ask again, with an Idempotency-Key if this was to start a run.",
        "storage_unavailable")
    { RetryAfterSeconds = 5 };

    private static OpenAIError Reused => new(
        StatusCodes.Status422UnprocessableEntity, "invalid_request_error", "Another request was sent with this idempotency key before: use a new key for a new request.",
        "idempotency_key_reused", "Idempotency-Key");

    private static OpenAIError Full(RunLimit limit) => new(
        StatusCodes.Status429TooManyRequests, "rate_limit_error",
        limit switch
        {
            RunLimit.Open => "Too many runs wait already; ask again later.",
            RunLimit.OpenPerTenant => "Too many of your runs have not ended; ask again when some have, or cancel some.",
            _ => "Too many of your runs are kept; delete some that have ended, or ask for a shorter 'keep_seconds'.",
        },
        limit == RunLimit.KeptPerTenant ? "too_many_runs_kept" : "run_queue_full")
    { RetryAfterSeconds = 10 };

    private static async ValueTask<object?> TellLostStoreAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        try
        {
            return await next(invocation);
        }
        catch (StorageException e)
        {
            Log.RunsNotKept(invocation.HttpContext.RequestServices.GetRequiredService<ILogger<RunKeeper>>(), e);
            await StoreLost.WriteAsync(invocation.HttpContext);
            return Results.Empty; // Null would be written as JSON behind the error.
        }
    }
}
