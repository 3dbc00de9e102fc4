using System.Buffers;
using System.Text.Json;
using AiFabric.Gateway.Http;

namespace AiFabric.Gateway.Routing;

/// <summary>A request body in memory, so that it can be sent twice, and where its model name stands.</summary>
public sealed class RequestBody
{
    private const int FirstBytes = 64 * 1_024;

    private readonly byte[] _json;
    private readonly Range _modelToken;

    private RequestBody(byte[] json, string model, Fields fields)
    {
        (_json, Model, _modelToken) = (json, model, fields.Model);
        (Prompt, Tools, CacheSalt) = (json.AsMemory(fields.Prompt), json.AsMemory(fields.Tools), fields.CacheSalt);
        TextBytes = Math.Max(Prompt.Length, json.AsSpan(fields.Input).Length);
    }

    /// <summary>The top-level <c>model</c> field.</summary>
    public string Model { get; }

    /// <summary>The JSON of <c>messages</c> or <c>prompt</c>, as the client wrote it; empty where there is none.</summary>
    public ReadOnlyMemory<byte> Prompt { get; }

    /// <summary>The JSON of <c>tools</c>, as the client wrote it; empty where there is none.</summary>
    public ReadOnlyMemory<byte> Tools { get; }

    /// <summary>The field <c>cache_salt</c>.</summary>
    public string? CacheSalt { get; }

    /// <summary>Bytes of the JSON of what a model is to read: the prompt, or the <c>input</c> of embeddings.</summary>
    public int TextBytes { get; }

    /// <summary>Bytes it holds in memory.</summary>
    public long Length => _json.Length;

    /// <summary>Reads the body.</summary>
    /// <returns>The body, or the error to answer with.</returns>
    public static async Task<(RequestBody? Body, OpenAIError? Error)> ReadAsync(HttpRequest request, long maxBytes, CancellationToken cancellationToken)
    {
        if (request.ContentLength > maxBytes)
            return (null, OpenAIError.TooLarge(maxBytes));

        // The client's word alone reserves no more than this; a longer body has it grow as it comes.
        var buffer = new ArrayBufferWriter<byte>((int)Math.Min(request.ContentLength ?? 4_096, FirstBytes) + 1);
        int read;
        while ((read = await request.Body.ReadAsync(buffer.GetMemory(1), cancellationToken)) > 0)
        {
            buffer.Advance(read);
            if (buffer.WrittenCount > maxBytes)
                return (null, OpenAIError.TooLarge(maxBytes));
        }

        return Parse(buffer.WrittenSpan.ToArray());
    }

    /// <summary>The body with another model name; the rest is as the client wrote it.</summary>
    public ReadOnlyMemory<byte> WithModel(string model)
    {
        if (model == Model)
            return _json;
        byte[] name = JsonSerializer.SerializeToUtf8Bytes(model);
        return (byte[])[.. _json.AsSpan(.._modelToken.Start.Value), .. name, .. _json.AsSpan(_modelToken.End.Value..)];
    }

    /// <summary>Finds the model name in <paramref name="json"/>.</summary>
    internal static (RequestBody? Body, OpenAIError? Error) Parse(byte[] json)
    {
        var reader = new Utf8JsonReader(json);
        try
        {
            var fields = new Fields();
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return (null, OpenAIError.Invalid("The request body must be a JSON object."));
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (fields.Take(ref reader) is { } error)
                    return (null, error);
            }

            while (reader.Read())
            {
                // Whatever follows the object is malformed, and the reader says so.
            }

            return fields.Name is { Length: > 0 } model ? (new RequestBody(json, model, fields), null) : (null, OpenAIError.Invalid("'model' is required.", "model"));
        }
        catch (JsonException e)
        {
            return (null, OpenAIError.Invalid(
                $"The request body is not valid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}.", code: "invalid_json"));
        }
        catch (InvalidOperationException)
        {
            // The reader's word for a string that is no Unicode text.
            return (null, OpenAIError.Invalid("'model' or 'cache_salt' is not valid Unicode text.", "model"));
        }
    }

    /// <summary>Where the fields stand that the gateway looks at. Of one that is given twice the last counts, as with the worker.</summary>
    private struct Fields
    {
        public string? Name;
        public string? CacheSalt;
        public Range Model;
        public Range Prompt;
        public Range Tools;
        public Range Input;

        /// <summary>Takes a field over; the reader stands on its name, and afterwards on the end of its value.</summary>
        public OpenAIError? Take(ref Utf8JsonReader reader)
        {
            bool isModel = reader.ValueTextEquals("model"u8), isSalt = reader.ValueTextEquals("cache_salt"u8);
            bool isPrompt = reader.ValueTextEquals("messages"u8) || reader.ValueTextEquals("prompt"u8), isTools = reader.ValueTextEquals("tools"u8), isInput = reader.ValueTextEquals("input"u8);
            reader.Read();
            if (isModel && reader.TokenType != JsonTokenType.String)
                return OpenAIError.Invalid("'model' must be a string.", "model");
            int start = (int)reader.TokenStartIndex;
            if (isModel)
                Name = reader.GetString();
            if (isSalt && reader.TokenType == JsonTokenType.String)
                CacheSalt = reader.GetString();
            if (reader.TokenType == JsonTokenType.Null)
                return null; // As if it were not there, for workers too.
            reader.Skip();
            Range value = start..(int)reader.BytesConsumed;
            if (isModel)
                Model = value;
            else if (isPrompt)
                Prompt = value;
            else if (isTools)
                Tools = value;
            else if (isInput)
                Input = value;
            return null;
        }
    }
}
