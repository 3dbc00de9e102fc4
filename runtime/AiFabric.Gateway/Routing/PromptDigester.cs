using System.Buffers.Binary;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Routing;

/// <summary>
/// Names the beginnings of a prompt: a chain of XXH3 over the bytes of <c>messages</c> (or <c>prompt</c>) as the client wrote them. The chain begins with all else that the cache tells apart, the
/// tenant first, so that equal prompts of two tenants have no name in common. Pure.
/// </summary>
public static class PromptDigester
{
    /// <returns>Null for a body without a prompt.</returns>
    public static PromptPieces? Digest(RequestBody body, string? tenant, string model)
    {
        ReadOnlySpan<byte> prompt = body.Prompt.Span;
        if (prompt.IsEmpty)
            return null;
        ulong[] digests = new ulong[Math.Min(PromptPieces.CountIn(prompt.Length), PromptPieces.MaxPieces)];
        // With their lengths, so that no field can spell another. Templates put the tools before the messages.
        ulong link = Link(Encoding.UTF8.GetBytes($"{Part(tenant)}{Part(model)}{Part(body.CacheSalt)}{body.Tools.Length}:"), 0);
        link = Link(body.Tools.Span, link);
        for (int i = 0, start = 0; i < digests.Length; start = PromptPieces.EndOf(i++))
            digests[i] = Math.Max(1, link = Link(prompt[start..PromptPieces.EndOf(i)], link)); // 0 means no name.
        return new PromptPieces(prompt.Length, digests);
    }

    /// <summary>Names a client's session; null when it named none. Another tenant's of the same name is another.</summary>
    public static ulong? SessionOf(string? tenant, string session) => session.Length > 0 ? Session(tenant, session) : null;

    /// <summary>Names a client's session. Another tenant's of the same name is another.</summary>
    public static ulong Session(string? tenant, string session) =>
        BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"session/{Part(tenant)}{Part(session)}")));

    /// <summary>Names a pod among hashes.</summary>
    public static ulong Pod(string uid) => BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(uid)));

    private static ulong Link(ReadOnlySpan<byte> bytes, ulong before) => XxHash3.HashToUInt64(bytes, (long)before);

    private static string Part(string? text) => text is null ? "none/" : $"{text.Length}:{text}/";
}
