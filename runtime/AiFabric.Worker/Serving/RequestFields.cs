using System.Collections.Frozen;
using System.Text.Json;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>The fields a completion endpoint knows. Nothing is accepted and ignored, unless it cannot change the answer.</summary>
internal sealed class RequestFields
{
    private static readonly (string Name, string Kind)[] Shared =
    [
        ("model", "a string"), ("temperature", "a number"), ("top_p", "a number"), ("top_k", "an integer"), ("min_p", "a number"),
        ("frequency_penalty", "a number"), ("presence_penalty", "a number"), ("repetition_penalty", "a number"), ("max_tokens", "an integer"),
        ("stop", "a string or a list of strings"), ("seed", "an integer"), ("n", "an integer"), ("stream", "a boolean"),
        ("stream_options", "an object"), ("ignore_eos", "a boolean"), ("cache_salt", "a string"), ("priority", "an integer"),
        ("response_format", "an object"), ("structured_outputs", "an object"), ("guided_json", "an object or a string"), ("guided_regex", "a string"), ("guided_choice", "a list of strings"),
        ("logit_bias", "an object"), ("stop_token_ids", "a list of integers"), ("min_tokens", "an integer"),
    ];

    // Bookkeeping of the client or of OpenAI's own service.
    private static readonly FrozenSet<string> Harmless = FrozenSet.Create(
        "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "verbosity");

    public static readonly RequestFields Chat = new(
    [
        .. Shared, ("messages", "a list of objects"), ("max_completion_tokens", "an integer"), ("logprobs", "a boolean"), ("top_logprobs", "an integer"),
        ("tools", "a list of objects"), ("tool_choice", "a string or an object"), ("parallel_tool_calls", "a boolean"), ("chat_template_kwargs", "an object"),
    ]);

    public static readonly RequestFields Text = new(
        [.. Shared, ("prompt", "a string or a list"), ("echo", "a boolean"), ("logprobs", "an integer")]);

    public static readonly RequestFields Embeddings = new(
        [("model", "a string"), ("input", "a string or a list"), ("encoding_format", "a string"), ("dimensions", "an integer"), ("normalize", "a boolean"), ("priority", "an integer")]);

    public static readonly RequestFields Tokenize = new(
    [
        ("model", "a string"), ("prompt", "a string"), ("messages", "a list of objects"), ("tools", "a list of objects"), ("add_special_tokens", "a boolean"),
        ("add_generation_prompt", "a boolean"), ("chat_template_kwargs", "an object"), ("return_token_strs", "a boolean"),
    ]);

    public static readonly RequestFields Detokenize = new([("model", "a string"), ("tokens", "a list")]);

    private readonly FrozenDictionary<string, string> kinds;

    private RequestFields((string Name, string Kind)[] fields) => kinds = fields.ToFrozenDictionary(f => f.Name, f => f.Kind);

    /// <summary>Checks names and JSON types; ranges are checked later.</summary>
    /// <exception cref="ApiException">400 naming the first field that is unknown or of another type.</exception>
    public void Check(JsonElement body)
    {
        foreach (var field in body.EnumerateObject())
        {
            if (field.Value.ValueKind == JsonValueKind.Null || Harmless.Contains(field.Name))
                continue;
            if (!kinds.TryGetValue(field.Name, out string? kind))
            {
                if (!IsNeutral(field.Name, field.Value))
                    throw new ApiException(400, $"The field '{field.Name}' is not supported by this endpoint; leave it out.", field.Name, "unsupported_parameter");
                continue;
            }
            if (!IsOfKind(field.Value, kind))
                throw ApiException.Invalid(field.Name, $"is {Describe(field.Value)}; it must be {kind}.");
        }
        if (body.TryGetProperty("stream_options", out var options) && options.ValueKind == JsonValueKind.Object)
            CheckStreamOptions(options);
    }

    private static void CheckStreamOptions(JsonElement options)
    {
        foreach (var option in options.EnumerateObject())
        {
            string name = $"stream_options.{option.Name}";
            if (option.Name == "include_usage" ? !IsOfKind(option.Value, "a boolean") : option.Name != "include_obfuscation")
                throw ApiException.Invalid(name, option.Name == "include_usage" ? $"is {Describe(option.Value)}; it must be a boolean." : "is not supported; leave it out.");
        }
    }

    // Fields that would change the answer, given with the value that changes nothing.
    private static bool IsNeutral(string name, JsonElement value) => name switch
    {
        "tools" or "functions" => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0,
        "tool_choice" or "function_call" => value.ValueKind == JsonValueKind.String && value.GetString() == "none",
        "best_of" => value.ValueKind == JsonValueKind.Number && value.GetRawText() == "1",
        "suffix" => value.ValueKind == JsonValueKind.String && value.GetString() == "",
        "modalities" => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(m => m.ValueKind == JsonValueKind.String && m.GetString() == "text"),
        _ => false,
    };

    private static bool IsOfKind(JsonElement value, string kind) => kind switch
    {
        "an integer" => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
        "a number" => value.ValueKind == JsonValueKind.Number,
        "a boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "an object" => value.ValueKind == JsonValueKind.Object,
        "a string" => value.ValueKind == JsonValueKind.String,
        "a list" => value.ValueKind == JsonValueKind.Array,
        "a list of objects" => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Object),
        "a list of strings" => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String),
        "a list of integers" => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out _)),
        "an object or a string" or "a string or an object" => value.ValueKind is JsonValueKind.Object or JsonValueKind.String,
        "a string or a list of strings" => value.ValueKind == JsonValueKind.String
            || (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)),
        _ => value.ValueKind is JsonValueKind.String or JsonValueKind.Array,
    };

    private static string Describe(JsonElement value)
    {
        string raw = value.GetRawText();
        return value.ValueKind is JsonValueKind.Number && raw.Length <= 40 ? raw : JsonBody.KindOf(value);
    }
}
