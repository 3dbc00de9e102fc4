using AiFabric.Engine.Requests;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Worker.Serving;

/// <summary>Reads the names of a prompt's beginnings from what the gateway says.</summary>
internal static class PrefixNameReader
{
    /// <summary>
    /// The names, placed among the prompt's tokens as they lie among its bytes: where the tokens of one part are longer than those of another that is off by a
    /// little, which sends a request to a worker that has a block more or less of it.
    /// </summary>
    /// <returns>Empty without the header, and for one that cannot be read: it is a hint.</returns>
    public static IReadOnlyList<PrefixName> Read(HttpRequest request, int promptTokens)
    {
        if (request.Headers[WorkerHeaders.Prompt] is not [{ } header] || !PromptPieces.TryParse(header, out var pieces))
            return [];
        var names = new PrefixName[pieces.Digests.Count];
        for (int i = 0; i < names.Length; i++)
            names[i] = new PrefixName((int)((long)promptTokens * PromptPieces.EndOf(i) / pieces.Bytes), pieces.Digests[i]);
        return names;
    }
}
