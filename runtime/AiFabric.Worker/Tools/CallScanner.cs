using System.Text;

namespace AiFabric.Worker.Tools;

/// <summary>What a character was to a call.</summary>
internal enum CallStep
{
    /// <summary>A part of it that is none of its arguments.</summary>
    Other,

    /// <summary>A part of its arguments.</summary>
    Argument,

    /// <summary>Its last.</summary>
    End,

    /// <summary>No part of it: the text is no call, or goes on after one as none does.</summary>
    Broken,
}

/// <summary>
/// Reads <c>{"name": …, "arguments": {…}}</c> character by character, in any order of its members. Arguments are looked at only as far as it takes to
/// find their end: braces, brackets and strings. Pure.
/// </summary>
internal sealed class CallScanner
{
    private readonly StringBuilder token = new();
    private readonly StringBuilder arguments = new();
    private Place place = Place.Object;
    private string key = "";
    private int depth;
    private bool quoted;
    private bool escaped;

    private enum Place
    {
        Object,
        Key,
        InKey,
        Colon,
        Value,
        InValue,
        Literal,
        AfterValue,
    }

    /// <summary>The function's name; null before it is there as a whole.</summary>
    public string? Name { get; private set; }

    /// <summary>Whether the arguments have begun.</summary>
    public bool HasArguments => arguments.Length > 0;

    /// <summary>The arguments so far.</summary>
    public string Arguments => arguments.ToString();

    private bool IsArguments => key is "arguments" or "parameters";

    /// <summary>Takes the next character; one that is <see cref="CallStep.Broken"/> is not taken.</summary>
    public CallStep Take(char c)
    {
        switch (place)
        {
            case Place.InKey:
                return TakeKey(c);
            case Place.InValue:
                return TakeValue(c);
            case Place.Literal when char.IsAsciiLetterOrDigit(c) || c is '-' or '+' or '.':
                return CallStep.Other;
            case Place.Literal:
                place = Place.AfterValue;
                return Take(c);
        }
        if (c is ' ' or '\n' or '\r' or '\t')
            return CallStep.Other;
        switch (place, c)
        {
            case (Place.Object, '{') or (Place.AfterValue, ','):
                place = Place.Key;
                return CallStep.Other;
            case (Place.Key, '"'):
                place = Place.InKey;
                token.Clear();
                return CallStep.Other;
            case (Place.Colon, ':'):
                place = Place.Value;
                return CallStep.Other;
            case (Place.Key or Place.AfterValue, '}'):
                return CallStep.End;
            case (Place.Value, _):
                return BeginValue(c);
            default:
                return CallStep.Broken;
        }
    }

    private CallStep TakeKey(char c)
    {
        if (!EndsString(c))
        {
            token.Append(c);
            return CallStep.Other;
        }
        key = token.ToString();
        place = Place.Colon;
        return CallStep.Other;
    }

    private CallStep BeginValue(char c)
    {
        if (key == "name" ? c != '"' || Name is not null : IsArguments && (c != '{' || HasArguments))
            return CallStep.Broken;
        token.Clear();
        (depth, quoted) = (c is '{' or '[' ? 1 : 0, c == '"');
        place = depth > 0 || quoted ? Place.InValue : Place.Literal;
        if (place == Place.Literal && !char.IsAsciiLetterOrDigit(c) && c != '-')
            return CallStep.Broken;
        return Argument(c);
    }

    private CallStep TakeValue(char c)
    {
        if (quoted)
        {
            quoted = !EndsString(c);
            if (quoted && key == "name" && depth == 0)
                token.Append(c);
        }
        else
        {
            quoted = c == '"';
            depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
        }
        if (depth == 0 && !quoted)
        {
            place = Place.AfterValue;
            if (key == "name")
                Name = token.ToString();
        }
        return Argument(c);
    }

    private CallStep Argument(char c)
    {
        if (!IsArguments)
            return CallStep.Other;
        arguments.Append(c);
        return CallStep.Argument;
    }

    private bool EndsString(char c)
    {
        bool ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        return ends;
    }
}
