namespace AiFabric.Engine.Requests;

/// <summary>A name for the beginning of a prompt, by which others ask whether it is cached.</summary>
/// <param name="Tokens">Length of the beginning; an estimate will do, for names decide where requests go and nothing else.</param>
/// <param name="Name">Anything but 0; equal names mean equal beginnings to whoever gave them.</param>
public readonly record struct PrefixName(int Tokens, ulong Name);
