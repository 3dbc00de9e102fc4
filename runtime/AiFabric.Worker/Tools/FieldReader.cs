using System.Text.Json;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Tools;

/// <summary>Reads the fields of one object inside a request. Null is the same as absent.</summary>
internal readonly struct FieldReader
{
    private const int MaxNameLength = 64;

    private readonly JsonElement json;
    private readonly string at;

    /// <param name="json">The object.</param>
    /// <param name="at">Where it is, such as <c>tools[0].function</c>.</param>
    /// <param name="what">What it must be, for errors.</param>
    /// <exception cref="ApiException">400: it is missing, or no object.</exception>
    public FieldReader(JsonElement? json, string at, string what)
    {
        if (json is not { ValueKind: JsonValueKind.Object } found)
            throw ApiException.Invalid(at, json is not { } other ? $"is missing; it must be {what}." : $"is {JsonBody.KindOf(other)}; it must be {what}.");
        (this.json, this.at) = (found, at);
    }

    public string PathOf(string name) => $"{at}.{name}";

    /// <exception cref="ApiException">400: there is another field.</exception>
    public void Only(params string[] known)
    {
        foreach (var property in json.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Null && !known.Contains(property.Name))
                throw ApiException.Invalid(PathOf(property.Name), $"is not known; '{at}' has: {string.Join(", ", known)}.");
        }
    }

    public JsonElement? Get(string name) => json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <exception cref="ApiException">400: it is there and no string.</exception>
    public string? Text(string name) => Get(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { } other => throw ApiException.Invalid(PathOf(name), $"is {JsonBody.KindOf(other)}; it must be a string."),
    };

    /// <exception cref="ApiException">400: it is there and no boolean.</exception>
    public bool? Flag(string name) => Get(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } other => throw ApiException.Invalid(PathOf(name), $"is {JsonBody.KindOf(other)}; it must be a boolean."),
    };

    /// <summary>The field <c>name</c> as OpenAI allows it.</summary>
    /// <exception cref="ApiException">400: it is missing, or no such name.</exception>
    public string Name() => Text("name") is { Length: > 0 and <= MaxNameLength } name && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-')
        ? name
        : throw ApiException.Invalid(PathOf("name"), $"must be given, with up to {MaxNameLength} of the characters a-z, A-Z, 0-9, '_' and '-'.");
}
