using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Routing;

/// <summary>
/// Names the beginnings of a prompt: a chain of SHA-256 over the bytes of <c>messages</c> (or <c>prompt</c>) as the client wrote them. The chain begins with all else that the cache tells apart, the
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
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> link = stackalloc byte[SHA256.HashSizeInBytes];
        // Templates put the tools before the messages. With their lengths, so that no field can spell another.
        hash.AppendData(Encoding.UTF8.GetBytes($"{Part(tenant)}{Part(model)}{Part(body.CacheSalt)}{body.Tools.Length}:"));
        hash.AppendData(body.Tools.Span);
        hash.GetHashAndReset(link);
        for (int i = 0, start = 0; i < digests.Length; start = PromptPieces.EndOf(i++))
        {
            hash.AppendData(link);
            hash.AppendData(prompt[start..PromptPieces.EndOf(i)]);
            hash.GetHashAndReset(link);
            digests[i] = Math.Max(1, BinaryPrimitives.ReadUInt64LittleEndian(link)); // 0 means no name.
        }
        return new PromptPieces(prompt.Length, digests);
    }

    /// <summary>Names a client's session; null when it named none. Another tenant's of the same name is another.</summary>
    public static ulong? SessionOf(string? tenant, string session) => session.Length > 0 ? Session(tenant, session) : null;

    /// <summary>Names a client's session. Another tenant's of the same name is another.</summary>
    public static ulong Session(string? tenant, string session) =>
        BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"session/{Part(tenant)}{Part(session)}")));

    /// <summary>Names a pod among hashes.</summary>
    public static ulong Pod(string uid) => BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(uid)));

    private static string Part(string? text) => text is null ? "none/" : $"{text.Length}:{text}/";
}
