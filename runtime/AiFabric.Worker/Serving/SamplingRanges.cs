using System.Globalization;
using AiFabric.Engine.Requests;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>Checks the numbers of a request against their ranges.</summary>
internal static class SamplingRanges
{
    public const int MaxChoices = 16;

    public static SamplingParameters Sampling(GenerationRequestBody body) => new()
    {
        Temperature = Number("temperature", body.Temperature, 1, 0, 2),
        TopP = body.TopP is 0 ? throw OutOfRange("top_p", 0, "above 0 and at most 1") : Number("top_p", body.TopP, 1, 0, 1),
        // vLLM's clients write -1 for "all".
        TopK = body.TopK is -1 ? 0 : Integer("top_k", body.TopK, 0, 0, int.MaxValue),
        MinP = Number("min_p", body.MinP, 0, 0, 1),
        FrequencyPenalty = Number("frequency_penalty", body.FrequencyPenalty, 0, -2, 2),
        PresencePenalty = Number("presence_penalty", body.PresencePenalty, 0, -2, 2),
        RepetitionPenalty = body.RepetitionPenalty is 0 ? throw OutOfRange("repetition_penalty", 0, "above 0 and at most 10") : Number("repetition_penalty", body.RepetitionPenalty, 1, 0, 10),
        Seed = body.Seed,
    };

    public static int Choices(GenerationRequestBody body) => Integer("n", body.N, 1, 1, MaxChoices);

    /// <summary>Non-empty strings, four at most, as OpenAI has it.</summary>
    public static IReadOnlyList<string> StopStrings(GenerationRequestBody body)
    {
        string[] stops = body.Stop switch
        {
            null or { ValueKind: System.Text.Json.JsonValueKind.Null } => [],
            { ValueKind: System.Text.Json.JsonValueKind.String } one => [one.GetString() ?? ""],
            { } list => [.. list.EnumerateArray().Select(item => item.GetString() ?? "")],
        };
        if (stops.Length > 4)
            throw ApiException.Invalid("stop", $"holds {stops.Length} strings; at most 4 are allowed.");
        return stops.Contains("") ? throw ApiException.Invalid("stop", "holds an empty string.") : stops;
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

    private static ApiException OutOfRange(string name, double value, string range) =>
        ApiException.Invalid(name, string.Create(CultureInfo.InvariantCulture, $"is {value}; it must be {range}."));
}
