using System.Globalization;
using AiFabric.Gateway.Finetuning.Orders;
using AiFabric.Gateway.Http;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using Microsoft.Net.Http.Headers;

namespace AiFabric.Gateway.Finetuning.Files;

/// <summary><c>/v1/files</c>.</summary>
internal static class FileEndpoints
{
    private static readonly PageLimits Limits = new(Default: 10_000, Most: 10_000);

    public static void Map(RouteGroupBuilder files)
    {
        files.MapPost("", UploadAsync);
        files.MapGet("", (HttpContext context, FileStore store) => ListAsync(context, store));
        files.MapGet("/{id}", (HttpContext context, string id, FileStore store) =>
            store.Find(id, Caller.Of(context)) is { } file ? Answer.WriteAsync(context, Show(file), OpenAIJson.Default.FileObject) : Unknown(id).WriteAsync(context));
        files.MapGet("/{id}/content", (HttpContext context, string id, FileStore store) =>
            store.Find(id, Caller.Of(context)) is { } file ? SendAsync(context, store.PathOf(file)) : Unknown(id).WriteAsync(context));
        files.MapDelete("/{id}", DeleteAsync);
    }

    /// <summary>Sends a file's content, whole or the range that was asked for.</summary>
    public static Task SendAsync(HttpContext context, string path)
    {
        var file = new FileInfo(path);
        // Without a name for the content a worker whose download broke would begin anew.
        var tag = new EntityTagHeaderValue(string.Create(CultureInfo.InvariantCulture, $"\"{file.LastWriteTimeUtc.Ticks:x}-{file.Length:x}\""));
        return Results.File(path, "application/jsonl", lastModified: file.LastWriteTimeUtc, entityTag: tag, enableRangeProcessing: true).ExecuteAsync(context);
    }

    public static OpenAIError Unknown(string id, string param = "file_id") => OpenAIError.NotFound($"There is no file '{id}'.", "file_not_found", param);

    private static async Task UploadAsync(HttpContext context, UploadReader uploads)
    {
        (StoredFile? file, OpenAIError? error) = await uploads.ReadAsync(context.Request, Caller.Of(context), context.RequestAborted);
        if (file is not null)
            await Answer.WriteAsync(context, Show(file), OpenAIJson.Default.FileObject);
        else
            await error!.WriteAsync(context); // one of both
    }

    private static async Task ListAsync(HttpContext context, FileStore store)
    {
        (PageQuery? query, OpenAIError? error) = PageQuery.Read(context.Request.Query, Limits, "purpose", "order");
        IReadOnlyList<StoredFile> files = store.List(Caller.Of(context));
        string? order = context.Request.Query["order"];
        if (order is not (null or "asc" or "desc"))
            error ??= OpenAIError.Invalid("'order' must be 'asc' or 'desc'.", "order");
        if (error is not null || query is null)
        {
            await error!.WriteAsync(context); // one of both
            return;
        }
        if (context.Request.Query["purpose"] is [{ Length: > 0 } purpose])
            files = [.. files.Where(file => file.Purpose == purpose)];
        (IReadOnlyList<StoredFile> page, bool more) = query.Cut(order == "asc" ? [.. files.Reverse()] : files, file => file.Id);
        var answer = new FilePage { Data = [.. page.Select(Show)], HasMore = more, FirstId = page.Count > 0 ? page[0].Id : null, LastId = page.Count > 0 ? page[^1].Id : null };
        await Answer.WriteAsync(context, answer, OpenAIJson.Default.FilePage);
    }

    private static async Task DeleteAsync(HttpContext context, string id, FileStore store, OrderStore orders)
    {
        if (store.Find(id, Caller.Of(context)) is not { } file)
        {
            await Unknown(id).WriteAsync(context);
        }
        else if (orders.Open().FirstOrDefault(order => order.TrainingFile == id || order.ValidationFile == id) is { } user)
        {
            await new OpenAIError(
                StatusCodes.Status409Conflict, "invalid_request_error", $"Finetuning job '{user.Id}' uses this file; cancel it first, or wait until it has ended.", "file_in_use", "file_id")
                .WriteAsync(context);
        }
        else
        {
            store.Delete(file);
            await Answer.WriteAsync(context, new FileDeleted { Id = id, Deleted = true }, OpenAIJson.Default.FileDeleted);
        }
    }

    private static FileObject Show(StoredFile file) =>
        new() { Id = file.Id, Bytes = file.Bytes, CreatedAt = file.CreatedAt, Filename = file.Filename, Purpose = file.Purpose };
}
