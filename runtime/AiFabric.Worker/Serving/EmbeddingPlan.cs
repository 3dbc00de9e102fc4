using System.Text.Json;
using AiFabric.Engine.Requests;
using AiFabric.Protocol;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>A checked request for vectors.</summary>
internal sealed record EmbeddingPlan
{
    /// <summary>Inputs of one request, as OpenAI has it.</summary>
    public const int MaxInputs = 2048;

    /// <summary>As the client wrote it.</summary>
    public required string Model { get; init; }

    /// <summary>One for each input, all of one adapter.</summary>
    public required IReadOnlyList<EmbeddingRequest> Requests { get; init; }

    /// <summary>Whether vectors are scaled to length 1.</summary>
    public required bool Normalize { get; init; }

    /// <summary>Whether vectors are written as base64.</summary>
    public required bool Base64 { get; init; }

    public int PromptTokens => Requests.Sum(request => request.Tokens.Count);

    /// <summary>Checks a request body and makes it a plan. Pure but for the tokenizer.</summary>
    /// <exception cref="ApiException">4xx naming the field at fault.</exception>
    public static EmbeddingPlan Read(ServedModel model, JsonElement json, string? tenant, TimeSpan age, bool isCopy)
    {
        RequestFields.Embeddings.Check(json);
        var body = JsonBody.Convert(json, OpenAIJson.Default.EmbeddingRequestBody);
        string? adapter = model.AdapterOf(body.Model);
        if (body.EncodingFormat is not (null or "float" or "base64"))
            throw ApiException.Invalid("encoding_format", $"is '{body.EncodingFormat}'; it must be 'float' or 'base64'.");
        if (body.Dimensions is { } dimensions && dimensions != model.Backend.EmbeddingSize)
            throw ApiException.Invalid("dimensions", $"is {dimensions}; this model makes vectors of {model.Backend.EmbeddingSize} numbers and was not trained for shorter ones. Leave it out.");
        return new EmbeddingPlan
        {
            Model = body.Model ?? model.Name,
            Requests = [.. Inputs(model.Backend, body.Input).Select(tokens => new EmbeddingRequest
            {
                Tokens = tokens,
                Adapter = adapter,
                Tenant = tenant,
                Priority = body.Priority ?? 0,
                Age = age,
                IsCopy = isCopy,
            })],
            Normalize = body.Normalize ?? true,
            Base64 = body.EncodingFormat == "base64",
        };
    }

    private static IEnumerable<int[]> Inputs(IModelBackend backend, JsonElement? input)
    {
        if (input is not { } value || value.ValueKind == JsonValueKind.Null)
            throw new ApiException(400, "The field 'input' is missing.", "input", "missing_required_parameter");
        if (value.ValueKind == JsonValueKind.String || (value.GetArrayLength() > 0 && value[0].ValueKind == JsonValueKind.Number))
            return [Input(backend, value, "input")];
        int count = value.GetArrayLength();
        return count is > 0 and <= MaxInputs
            ? value.EnumerateArray().Select((item, index) => Input(backend, item, $"input[{index}]"))
            : throw ApiException.Invalid("input", $"is a list of {count}; it must hold 1 to {MaxInputs} texts or lists of token ids.");
    }

    private static int[] Input(IModelBackend backend, JsonElement value, string at)
    {
        int[] tokens = value.ValueKind switch
        {
            JsonValueKind.String when value.GetString() is { Length: > 0 } text => PromptReader.Encode(backend, text),
            JsonValueKind.Array when value.GetArrayLength() > 0 => PromptReader.Ids(backend, value, at),
            JsonValueKind.String or JsonValueKind.Array => throw ApiException.Invalid(at, "is empty; it must hold at least one token."),
            _ => throw ApiException.Invalid(at, $"is {JsonBody.KindOf(value)}; it must be a string or a list of token ids."),
        };
        if (tokens.Length == 0)
            throw ApiException.Invalid(at, "holds no token that this model knows.");
        if (tokens.Length <= backend.MaxContextTokens)
            return tokens;
        throw new ApiException(
            400, $"'{at}' has {tokens.Length} tokens; this model's context holds {backend.MaxContextTokens}. Shorten it, or cut it into several inputs.", at,
            RejectionCodes.ContextLengthExceeded);
    }
}
