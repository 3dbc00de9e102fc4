namespace AiFabric.Gateway.Routing;

/// <summary>OpenAI's model field taken apart: <c>[namespace/]name[:adapter]</c>.</summary>
/// <param name="Text">As the client wrote it.</param>
/// <param name="Name">Without the adapter; may still start with a namespace, for names themselves may hold a slash.</param>
/// <param name="Adapter">Adapter name, or null for the base model.</param>
public readonly record struct ModelName(string Text, string Name, string? Adapter)
{
    public static ModelName Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        return colon < 0
            ? new ModelName(text, text, null)
            : new ModelName(text, text[..colon], text[(colon + 1)..]);
    }

    /// <summary>A name as a part of a path: the server leaves an escaped slash as it is, and clients escape it.</summary>
    public static string Unescaped(string segment) => segment.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether this names the model, plainly or qualified by its namespace.</summary>
    public bool Matches(string modelNamespace, string servedName) =>
        Name == servedName
        || (Name.Length == modelNamespace.Length + 1 + servedName.Length
            && Name.StartsWith(modelNamespace, StringComparison.Ordinal)
            && Name[modelNamespace.Length] == '/'
            && Name.EndsWith(servedName, StringComparison.Ordinal));
}
