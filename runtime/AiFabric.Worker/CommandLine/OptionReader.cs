using System.CommandLine;
using System.Globalization;

namespace AiFabric.Worker.CommandLine;

/// <summary>Reads one option after the other: from the command line, else from the environment, else the default. Errors name option, value and range.</summary>
internal sealed class OptionReader(ParseResult parsed, Func<string, string?> environment)
{
    /// <summary>The environment variable of an option: <c>--kv-blocks</c> is <c>AIFABRIC_KV_BLOCKS</c>.</summary>
    public static string VariableOf(string option) => "AIFABRIC_" + option[2..].Replace('-', '_').ToUpperInvariant();

    public string? Text(string option)
    {
        if (parsed.GetValue<string?>(option) is { } given)
            return given.Length > 0 ? given : throw new UsageException($"{option} is empty.");
        return environment(VariableOf(option)) is { Length: > 0 } variable ? variable : null;
    }

    /// <summary>Looks a variable up.</summary>
    public Func<string, string?> Environment => environment;

    /// <summary>What is read from the environment alone: a secret on the command line is seen by all who list processes.</summary>
    public string? Secret(string variable) => environment(variable) is { Length: > 0 } value ? value : null;

    public string RequiredText(string option) =>
        Text(option) ?? throw new UsageException($"{option} is missing: give it, or set {VariableOf(option)}.");

    public int Integer(string option, int absent, int min, int max) => OptionalInteger(option, min, max) ?? absent;

    public int? OptionalInteger(string option, int min, int max)
    {
        if (Text(option) is not { } text)
            return null;
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= min && value <= max
            ? value
            : throw new UsageException($"{option} is '{text}'; it must be an integer from {min} to {max}.");
    }

    public long? OptionalBytes(string option, long min)
    {
        if (Text(option) is not { } text)
            return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value >= min
            ? value
            : throw new UsageException($"{option} is '{text}'; it must be a number of bytes, at least {min}.");
    }

    public TimeSpan? Milliseconds(string option)
    {
        if (Text(option) is not { } text)
            return null;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value is > 0 and <= 3_600_000
            ? TimeSpan.FromMilliseconds(value)
            : throw new UsageException($"{option} is '{text}'; it must be a positive number of milliseconds, at most 3600000.");
    }

    public string OneOf(string option, string absent, params string[] allowed)
    {
        if (Text(option) is not { } text)
            return absent;
        return allowed.Contains(text)
            ? text
            : throw new UsageException($"{option} is '{text}'; it must be one of: {string.Join(", ", allowed)}.");
    }
}
