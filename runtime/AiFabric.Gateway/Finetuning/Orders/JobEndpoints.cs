using System.Text.Json;
using AiFabric.Gateway.Http;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Finetuning.Orders;

/// <summary><c>/v1/fine_tuning/jobs</c>.</summary>
internal static class JobEndpoints
{
    private const int MaxBodyBytes = 64 * 1_024;
    private static readonly PageLimits Limits = new(Default: 20, Most: 100);

    public static void Map(RouteGroupBuilder jobs)
    {
        jobs.MapPost("", CreateAsync);
        jobs.MapGet("", ListAsync);
        jobs.MapGet("/{id}", (HttpContext context, string id, OrderStore orders, OrderKeeper keeper) => WithAsync(context, id, orders, order => WriteAsync(context, keeper, order)));
        jobs.MapGet("/{id}/events", (HttpContext context, string id, OrderStore orders) => WithAsync(context, id, orders, order => EventsAsync(context, orders, order)));
        jobs.MapPost("/{id}/cancel", (HttpContext context, string id, OrderStore orders, OrderKeeper keeper, TimeProvider time) =>
            WishAsync(context, id, orders, keeper, wish => wish with { CancelledAt = wish.CancelledAt ?? time.GetUtcNow().ToUnixTimeSeconds() }));
        jobs.MapPost("/{id}/pause", (HttpContext context, string id, OrderStore orders, OrderKeeper keeper) =>
            WishAsync(context, id, orders, keeper, wish => wish.Pausing(true)));
        jobs.MapPost("/{id}/resume", (HttpContext context, string id, OrderStore orders, OrderKeeper keeper) =>
            WishAsync(context, id, orders, keeper, wish => wish.Pausing(false)));
    }

    private static async Task CreateAsync(HttpContext context, OrderReader reader, OrderKeeper keeper)
    {
        (FineTuningRequest? request, OpenAIError? error) = await ReadBodyAsync(context);
        Order? order = null;
        if (request is not null)
            (order, error) = reader.Read(request, Caller.Of(context));
        if (order is null)
        {
            await error!.WriteAsync(context); // one of both
            return;
        }
        keeper.Accept(order);
        await WriteAsync(context, keeper, order);
    }

    private static async Task ListAsync(HttpContext context, OrderStore orders, OrderKeeper keeper)
    {
        (PageQuery? query, OpenAIError? error) = PageQuery.Read(context.Request.Query, Limits);
        if (query is null)
        {
            await error!.WriteAsync(context); // one of both
            return;
        }
        (IReadOnlyList<Order> page, bool more) = query.Cut(orders.List(Caller.Of(context)), order => order.Id);
        await Answer.WriteAsync(context, new FineTuningJobPage { Data = [.. page.Select(keeper.Show)], HasMore = more }, OpenAIJson.Default.FineTuningJobPage);
    }

    private static async Task EventsAsync(HttpContext context, OrderStore orders, Order order)
    {
        (PageQuery? query, OpenAIError? error) = PageQuery.Read(context.Request.Query, Limits);
        if (query is null)
        {
            await error!.WriteAsync(context); // one of both
            return;
        }
        (IReadOnlyList<FineTuningEvent> page, bool more) = query.Cut(orders.Events(order), happened => happened.Id);
        await Answer.WriteAsync(context, new FineTuningEventPage { Data = page, HasMore = more }, OpenAIJson.Default.FineTuningEventPage);
    }

    private static Task WishAsync(HttpContext context, string id, OrderStore orders, OrderKeeper keeper, Func<Wish, Wish> change) => WithAsync(context, id, orders, order =>
    {
        FineTuningJob now = keeper.Show(order);
        if (now.Status is JobStatuses.Succeeded or JobStatuses.Failed or JobStatuses.Cancelled)
            return OpenAIError.Invalid($"Finetuning job '{id}' has ended: it is {now.Status}.", "fine_tuning_job_id", "job_ended").WriteAsync(context);
        orders.SetWish(order, change(orders.WishFor(order)));
        return WriteAsync(context, keeper, order);
    });

    private static Task WithAsync(HttpContext context, string id, OrderStore orders, Func<Order, Task> answer) => orders.Find(id, Caller.Of(context)) is { } order
        ? answer(order)
        : OpenAIError.NotFound($"There is no finetuning job '{id}'.", "fine_tuning_job_not_found", "fine_tuning_job_id").WriteAsync(context);

    private static Task WriteAsync(HttpContext context, OrderKeeper keeper, Order order) => Answer.WriteAsync(context, keeper.Show(order), OpenAIJson.Default.FineTuningJob);

    private static async Task<(FineTuningRequest? Request, OpenAIError? Error)> ReadBodyAsync(HttpContext context)
    {
        var body = new byte[MaxBodyBytes + 1];
        int read = await context.Request.Body.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, context.RequestAborted);
        if (read > MaxBodyBytes)
            return (null, OpenAIError.TooLarge(MaxBodyBytes));
        try
        {
            return JsonSerializer.Deserialize(body.AsSpan(0, read), OpenAIJson.Default.FineTuningRequest) is { } request
                ? (request, null)
                : (null, OpenAIError.Invalid("The request body must be a JSON object."));
        }
        catch (JsonException e)
        {
            string? field = e.Path is { Length: > 2 } path ? path[2..] : null;
            return (null, OpenAIError.Invalid(field is null ? "The request body is not valid JSON." : $"'{field}' is not known here, or is not of its type.", field, "invalid_json"));
        }
    }
}
