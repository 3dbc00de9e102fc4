using System.Globalization;
using System.Text.Json;
using AiFabric.Engine.Requests;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>Checks the numbers of a request against their ranges.</summary>
internal static class SamplingRanges
{
    public const int MaxChoices = 16;

    public static SamplingParameters Sampling(GenerationRequestBody body, int maxTokens, IModelBackend backend) => new()
    {
        Temperature = Number("temperature", body.Temperature, 1, 0, 2),
        TopP = body.TopP is 0 ? throw OutOfRange("top_p", 0, "above 0 and at most 1") : Number("top_p", body.TopP, 1, 0, 1),
        // vLLM's clients write -1 for "all".
        TopK = body.TopK is -1 ? 0 : Integer("top_k", body.TopK, 0, 0, int.MaxValue),
        MinP = Number("min_p", body.MinP, 0, 0, 1),
        FrequencyPenalty = Number("frequency_penalty", body.FrequencyPenalty, 0, -2, 2),
        PresencePenalty = Number("presence_penalty", body.PresencePenalty, 0, -2, 2),
        RepetitionPenalty = body.RepetitionPenalty is 0 ? throw OutOfRange("repetition_penalty", 0, "above 0 and at most 10") : Number("repetition_penalty", body.RepetitionPenalty, 1, 0, 10),
        Biases = Biases(body, backend),
        MinTokens = Integer("min_tokens", body.MinTokens, 0, 0, maxTokens),
        Seed = body.Seed,
    };

    /// <summary>Tokens that end the answer: the model's own, unless they are to be ignored, and the client's.</summary>
    public static IReadOnlyList<int> StopTokens(GenerationRequestBody body, IModelBackend backend)
    {
        int[] given = body.StopTokenIds is { ValueKind: JsonValueKind.Array } ids ? [.. ids.EnumerateArray().Select(id => id.GetInt32())] : [];
        foreach (int token in given)
            RequireToken("stop_token_ids", token, backend);
        return [.. (body.IgnoreEos is true ? [] : backend.EndOfSequenceIds).Union(given)];
    }

    public static int Choices(GenerationRequestBody body) => Integer("n", body.N, 1, 1, MaxChoices);

    /// <summary>Non-empty strings, four at most, as OpenAI has it.</summary>
    public static IReadOnlyList<string> StopStrings(GenerationRequestBody body)
    {
        string[] stops = body.Stop switch
        {
            null or { ValueKind: JsonValueKind.Null } => [],
            { ValueKind: JsonValueKind.String } one => [one.GetString() ?? ""],
            { } list => [.. list.EnumerateArray().Select(item => item.GetString() ?? "")],
        };
        if (stops.Length > 4)
            throw ApiException.Invalid("stop", $"holds {stops.Length} strings; at most 4 are allowed.");
        return stops.Contains("") ? throw ApiException.Invalid("stop", "holds an empty string.") : stops;
    }

    private static TokenBias[] Biases(GenerationRequestBody body, IModelBackend backend)
    {
        if (body.LogitBias is not { ValueKind: JsonValueKind.Object } given)
            return [];
        var biases = new List<TokenBias>();
        foreach (var entry in given.EnumerateObject())
        {
            string name = $"logit_bias.{entry.Name}";
            if (!int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int token))
                throw ApiException.Invalid(name, "is no token id.");
            RequireToken(name, token, backend);
            if (entry.Value.ValueKind != JsonValueKind.Number)
                throw ApiException.Invalid(name, "must be a number.");
            biases.Add(new TokenBias(token, (float)Number(name, entry.Value.GetDouble(), 0, -100, 100)));
        }
        return [.. biases];
    }

    public static int Integer(string name, int? value, int absent, int min, int max)
    {
        if (value is not { } number)
            return absent;
        return number >= min && number <= max
            ? number
            : throw OutOfRange(name, number, max == int.MaxValue ? $"at least {min}" : $"from {min} to {max}");
    }

    private static double Number(string name, double? value, double absent, double min, double max)
    {
        if (value is not { } number)
            return absent;
        return number >= min && number <= max
            ? number
            : throw OutOfRange(name, number, string.Create(CultureInfo.InvariantCulture, $"from {min} to {max}"));
    }

    private static void RequireToken(string name, int token, IModelBackend backend)
    {
        if (!backend.Tokenizer.HasToken(token))
            throw ApiException.Invalid(name, $"names {token}, which is no token of this model; they go from 0 to {backend.Tokenizer.VocabularySize - 1}.");
    }

    private static ApiException OutOfRange(string name, double value, string range) =>
        ApiException.Invalid(name, string.Create(CultureInfo.InvariantCulture, $"is {value}; it must be {range}."));
}
