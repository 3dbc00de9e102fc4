using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AiFabric.Gateway.Finetuning.Files;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>A run that a client asks for.</summary>
/// <param name="Run">Not kept yet.</param>
/// <param name="Input">The pipeline's text.</param>
/// <param name="Digest">Of all that was asked for.</param>
public sealed record AskedRun(RunRecord Run, string Input, string Digest);

/// <summary>Makes a run of a request, or says which field is wrong.</summary>
/// <param name="catalog">Knows the pipelines.</param>
/// <param name="gateway">Bounds the body.</param>
/// <param name="options">Bounds the run.</param>
/// <param name="time">Clock.</param>
/// <param name="files">Where files are; null when none are kept.</param>
public sealed class RunReader(PipelineCatalog catalog, IOptions<GatewayOptions> gateway, IOptions<RunOptions> options, TimeProvider time, FileStore? files = null)
{
    private const int MaxMetadata = 16;

    /// <summary>Longest idempotency key, characters.</summary>
    private const int MaxKey = 255;

    /// <returns>The run, not kept yet; or the error to answer with.</returns>
    public async Task<(AskedRun? Asked, OpenAIError? Error)> ReadAsync(HttpRequest request, string name, string tenant, CancellationToken cancellationToken)
    {
        (ModelKey key, OpenAIError? error) = Find(name);
        byte[] body = [];
        PipelineRunRequest? asked = null;
        string? input = null, reservation = null;
        if (error is null)
            (body, error) = await ReadBodyAsync(request, cancellationToken);
        if (error is null)
            (asked, error) = Parse(body);
        if (asked is not null)
            error = CheckBounds(asked);
        if (asked is not null && error is null)
            (input, error) = await ReadInputAsync(asked, tenant, cancellationToken);
        if (error is null)
            (reservation, error) = ReadKey(request, key, tenant);
        if (asked is null || input is null || error is not null)
            return (null, error);
        long now = time.GetUtcNow().ToUnixTimeSeconds();
        return (new AskedRun(
            new RunRecord
            {
                Id = FileStore.NewId("run-"),
                Tenant = tenant,
                Namespace = key.Namespace,
                Pipeline = key.Name,
                CreatedAt = now,
                DeadlineAt = now + (asked.CompletionWindowSeconds ?? options.Value.RunWindowSeconds),
                KeepSeconds = asked.KeepSeconds ?? options.Value.RunKeepSeconds,
                Reservation = reservation,
                Metadata = asked.Metadata,
            },
            input,
            Convert.ToHexStringLower(SHA256.HashData(body))), null);
    }

    private (ModelKey Key, OpenAIError? Error) Find(string name) => catalog.Find(ModelName.Parse(name)) switch
    {
        [var pipeline] => (pipeline.Key, null),
        [] => (default, OpenAIError.NotFound($"The pipeline '{name}' does not exist, or its spec was not accepted.", "pipeline_not_found", "name")),
        [var first, ..] => (default, OpenAIError.Invalid(
            $"Several namespaces have a pipeline '{name}'; put the namespace before the name, as in '{first.Key.Namespace}%2F{first.Key.Name}'.", "name", "pipeline_ambiguous")),
    };

    private async Task<(byte[] Body, OpenAIError? Error)> ReadBodyAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        long most = gateway.Value.MaxBodyBytes;
        if (request.ContentLength > most)
            return ([], OpenAIError.TooLarge(most));
        using var body = new MemoryStream();
        var part = new byte[16 << 10];
        int read;
        while ((read = await request.Body.ReadAsync(part, cancellationToken)) > 0)
        {
            await body.WriteAsync(part.AsMemory(0, read), cancellationToken);
            if (body.Length > most)
                return ([], OpenAIError.TooLarge(most));
        }
        return (body.ToArray(), null);
    }

    private static (PipelineRunRequest? Asked, OpenAIError? Error) Parse(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, PipelineRunJson.Default.PipelineRunRequest) is { } asked
                ? (asked, null)
                : (null, OpenAIError.Invalid("The request body must be a JSON object."));
        }
        catch (JsonException e)
        {
            string? field = e.Path is { Length: > 2 } path ? path[2..] : null;
            return (null, OpenAIError.Invalid(field is null ? "The request body is not a valid JSON object." : $"'{field}' is not known here, or is not of its type.", field, "invalid_json"));
        }
    }

    private OpenAIError? CheckBounds(PipelineRunRequest asked) =>
        asked.CompletionWindowSeconds is { } window && (window < 1 || window > options.Value.RunWindowSeconds)
            ? OpenAIError.Invalid($"'completion_window_seconds' must be from 1 to {options.Value.RunWindowSeconds}.", "completion_window_seconds")
        : asked.KeepSeconds is { } keep && (keep < 1 || keep > options.Value.RunKeepSeconds)
            ? OpenAIError.Invalid($"'keep_seconds' must be from 1 to {options.Value.RunKeepSeconds}.", "keep_seconds")
        : asked.Metadata is { Count: > MaxMetadata } || asked.Metadata?.Any(pair => pair.Key.Length > 64 || pair.Value is null or { Length: > 512 }) == true
            ? OpenAIError.Invalid($"'metadata' must have at most {MaxMetadata} entries, with keys of at most 64 and values of at most 512 characters.", "metadata")
        : null;

    private async Task<(string? Input, OpenAIError? Error)> ReadInputAsync(PipelineRunRequest asked, string tenant, CancellationToken cancellationToken)
    {
        (string? text, OpenAIError? error) = (asked.Input, asked.Messages) switch
        {
            ({ ValueKind: not JsonValueKind.Null }, { ValueKind: not JsonValueKind.Null }) => (null, OpenAIError.Invalid("Give 'input' or 'messages', not both.", "input")),
            ({ ValueKind: JsonValueKind.String } given, _) => TextOf(given),
            ({ ValueKind: JsonValueKind.Object } given, _) => await FromFileAsync(given, tenant, cancellationToken),
            (_, { ValueKind: not JsonValueKind.Null } messages) => FromMessages(messages),
            _ => (null, OpenAIError.Invalid("'input' must be a text, or {\"file_id\": \"file-…\"} of a file uploaded to /v1/files; or give 'messages'.", "input")),
        };
        return text?.Length > ItemText.MaxLength
            ? (null, OpenAIError.Invalid($"The input has {text.Length} characters; a pipeline takes at most {ItemText.MaxLength}.", "input", "input_too_long"))
            : (text, error);
    }

    private static (string? Text, OpenAIError? Error) TextOf(JsonElement given)
    {
        try
        {
            return (given.GetString(), null);
        }
        catch (InvalidOperationException)
        {
            return (null, OpenAIError.Invalid("'input' is not valid Unicode text.", "input")); // Half a surrogate pair.
        }
    }

    /// <summary>The file's text as it is now: the file may be deleted as soon as the run was taken.</summary>
    private async Task<(string? Text, OpenAIError? Error)> FromFileAsync(JsonElement given, string tenant, CancellationToken cancellationToken)
    {
        if (given.EnumerateObject().FirstOrDefault(field => field.Name != "file_id") is { Value.ValueKind: not JsonValueKind.Undefined } other)
            return (null, OpenAIError.Invalid($"'input.{other.Name}' is not known here; known is 'file_id'.", $"input.{other.Name}"));
        if (!given.TryGetProperty("file_id", out JsonElement id) || id.ValueKind != JsonValueKind.String)
            return (null, OpenAIError.Invalid("'input.file_id' must be the id of a file that was uploaded to /v1/files.", "input.file_id"));
        if (files is null)
            return (null, OpenAIError.Invalid("This gateway keeps no files: send the text itself as 'input'.", "input.file_id", "files_disabled"));
        if (files.Find(id.GetString() ?? "", tenant) is not { } file)
            return (null, FileEndpoints.Unknown(id.GetString() ?? "", "input.file_id") with { Status = StatusCodes.Status400BadRequest });
        if (file.Bytes > gateway.Value.MaxBodyBytes)
            return (null, OpenAIError.Invalid($"The file has {file.Bytes} bytes; an input has at most {gateway.Value.MaxBodyBytes}.", "input.file_id", "input_too_long"));
        try
        {
            return (await File.ReadAllTextAsync(files.PathOf(file), new UTF8Encoding(false, throwOnInvalidBytes: true), cancellationToken), null);
        }
        catch (DecoderFallbackException)
        {
            return (null, OpenAIError.Invalid("The file is not UTF-8 text.", "input.file_id"));
        }
    }

    private static (string? Text, OpenAIError? Error) FromMessages(JsonElement messages)
    {
        using var chat = new MemoryStream();
        using (var writer = new Utf8JsonWriter(chat))
        {
            writer.WriteStartObject();
            writer.WritePropertyName("messages");
            messages.WriteTo(writer);
            writer.WriteEndObject();
        }
        (PipelineRequest? request, OpenAIError? error) = PipelineRequest.Read(chat.ToArray());
        return (request?.Text, error);
    }

    /// <summary>The document of the request's idempotency key: of this tenant and pipeline alone.</summary>
    private static (string? Document, OpenAIError? Error) ReadKey(HttpRequest request, ModelKey pipeline, string tenant)
    {
        if (request.Headers["Idempotency-Key"] is not [{ Length: > 0 } key, ..])
            return (null, null);
        return key.Length > MaxKey
            ? (null, OpenAIError.Invalid($"'Idempotency-Key' must have at most {MaxKey} characters.", "Idempotency-Key"))
            : ("idempotency." + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{tenant}\n{pipeline.Namespace}\n{pipeline.Name}\n{key}"))), null);
    }
}
