using System.Buffers;
using System.IO.Pipelines;
using AiFabric.Gateway.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace AiFabric.Gateway.Finetuning.Files;

/// <summary>
/// Reads <c>multipart/form-data</c> with a <c>file</c> and its <c>purpose</c>, in either order, and never holds more than a line of it in memory. Lines to train on are
/// checked as they come.
/// </summary>
public sealed class UploadReader(FileStore store, IOptions<GatewayOptions> options)
{
    private const int MaxFieldBytes = 1_024;

    /// <returns>The file, kept; or the error to answer with, and nothing is kept.</returns>
    /// <exception cref="IOException">The disk is full or away, or the client broke off.</exception>
    public async Task<(StoredFile? File, OpenAIError? Error)> ReadAsync(HttpRequest request, string tenant, CancellationToken cancellationToken)
    {
        if (BoundaryOf(request) is not { } boundary)
            return (null, OpenAIError.Invalid("Send multipart/form-data with 'file' and 'purpose'."));
        var reader = new MultipartReader(boundary, request.Body);
        string? purpose = null;
        FileStore.NewFile? upload = null;
        LineFormat format = default;
        OpenAIError? unfit = null;
        try
        {
            while (await reader.ReadNextSectionAsync(cancellationToken) is { } section)
            {
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out ContentDispositionHeaderValue? part))
                    return (null, OpenAIError.Invalid("A part of the form has no Content-Disposition."));
                string name = HeaderUtilities.RemoveQuotes(part.Name).Value ?? "";
                if (name == "purpose")
                {
                    purpose = await ReadFieldAsync(section.Body, cancellationToken);
                }
                else if (name == "file" && upload is null)
                {
                    upload = store.Begin(tenant, FilenameOf(part));
                    (format, unfit) = await CopyAsync(section.Body, upload.Stream, purpose, cancellationToken);
                    if (unfit is not null && (purpose is not null || unfit.Status == StatusCodes.Status413PayloadTooLarge))
                        return (null, unfit);
                }
                else
                {
                    return (null, OpenAIError.Invalid($"The form has a field '{name}' too many: known are one 'file' and 'purpose'.", name));
                }
            }
            if (upload is null)
                return (null, OpenAIError.Invalid("'file' is required.", "file"));
            FileStore.NewFile whole = upload; // Kept on another thread: a file waits for its disk, and this thread may be one that serves sockets.
            return purpose switch
            {
                FilePurposes.FineTune => unfit is null ? (await Task.Run(() => whole.Keep(format), CancellationToken.None), null) : (null, unfit),
                FilePurposes.UserData => (await Task.Run(() => whole.Keep(LineFormat.Text, FilePurposes.UserData), CancellationToken.None), null),
                _ => (null, OpenAIError.Invalid($"'purpose' must be '{FilePurposes.FineTune}', or '{FilePurposes.UserData}' for inputs of pipelines.", "purpose")),
            };
        }
        catch (InvalidDataException e)
        {
            return (null, OpenAIError.Invalid($"The form cannot be read: {e.Message}"));
        }
        finally
        {
            if (upload is not null)
                await upload.DisposeAsync();
        }
    }

    /// <param name="body">The file as it comes.</param>
    /// <param name="file">Where it goes.</param>
    /// <param name="purpose">What it is for; null while that is not known: it is copied to its end then, whatever its lines are.</param>
    /// <param name="cancellationToken">The client left.</param>
    private async Task<(LineFormat Format, OpenAIError? Unfit)> CopyAsync(Stream body, FileStream file, string? purpose, CancellationToken cancellationToken)
    {
        LineChecker? checker = purpose == FilePurposes.UserData ? null : new LineChecker();
        OpenAIError? unfit = null;
        PipeReader reader = PipeReader.Create(body, new StreamPipeReaderOptions(leaveOpen: true));
        while (true)
        {
            ReadResult result = await reader.ReadAsync(cancellationToken);
            (SequencePosition consumed, string? wrong) = checker is null ? TakeAll(result.Buffer, file) : TakeLines(result.Buffer, result.IsCompleted, checker, file);
            reader.AdvanceTo(consumed, result.Buffer.End);
            if (wrong is not null)
                (checker, unfit) = (null, OpenAIError.Invalid($"The file is not fit for finetuning, {wrong}.", "file", "invalid_file"));
            if (unfit is not null && purpose is not null)
                return (default, unfit);
            if (file.Length > options.Value.MaxFileBytes)
                return (default, OpenAIError.TooLarge(options.Value.MaxFileBytes));
            if (result.IsCompleted && consumed.Equals(result.Buffer.End))
                break;
        }
        return checker?.End() is { } lacking
            ? (default, OpenAIError.Invalid($"The file is not fit for finetuning: {lacking}.", "file", "invalid_file"))
            : (checker?.Format ?? default, unfit);
    }

    private static (SequencePosition Consumed, string? Wrong) TakeAll(ReadOnlySequence<byte> buffer, FileStream file)
    {
        foreach (ReadOnlyMemory<byte> part in buffer)
            file.Write(part.Span);
        return (buffer.End, null);
    }

    private static (SequencePosition Consumed, string? Wrong) TakeLines(ReadOnlySequence<byte> buffer, bool isLast, LineChecker checker, FileStream file)
    {
        while (buffer.PositionOf((byte)'\n') is { } end)
        {
            SequencePosition next = buffer.GetPosition(1, end);
            if (checker.Take(Write(buffer.Slice(0, next), file)) is { } wrong)
                return (next, wrong);
            buffer = buffer.Slice(next);
        }
        if (buffer.Length > LineChecker.MaxLineBytes)
            return (buffer.Start, $"a line is longer than {LineChecker.MaxLineBytes} bytes");
        if (!isLast || buffer.IsEmpty)
            return (buffer.Start, null);
        return (buffer.End, checker.Take(Write(buffer, file)));
    }

    private static ReadOnlyMemory<byte> Write(ReadOnlySequence<byte> line, FileStream file)
    {
        byte[] bytes = line.ToArray();
        file.Write(bytes);
        return bytes.AsMemory()[..^(bytes[^1] == '\n' ? 1 : 0)];
    }

    private static async Task<string> ReadFieldAsync(Stream body, CancellationToken cancellationToken)
    {
        var bytes = new byte[MaxFieldBytes];
        int read = await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        return System.Text.Encoding.UTF8.GetString(bytes, 0, read);
    }

    private static string? BoundaryOf(HttpRequest request) =>
        MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? type) && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
        && HeaderUtilities.RemoveQuotes(type.Boundary) is { Length: > 0 } boundary
            ? boundary.Value
            : null;

    private static string FilenameOf(ContentDispositionHeaderValue part)
    {
        string name = Path.GetFileName((part.FileNameStar.HasValue ? part.FileNameStar : HeaderUtilities.RemoveQuotes(part.FileName)).Value ?? "");
        return name.Length > 0 ? name : "file.jsonl";
    }
}
