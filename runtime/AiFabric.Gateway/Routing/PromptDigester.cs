using System.Buffers;
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
        // With their lengths, so that no field can spell another. Templates put the tools before the messages.
        byte[] named = Encoding.UTF8.GetBytes($"{Part(tenant)}{Part(model)}{Part(body.CacheSalt)}{body.Tools.Length}:");
        // Each link is hashed in one call: a hash that is fed in pieces costs a request more than all else that is read of it.
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Max(named.Length + body.Tools.Length, SHA256.HashSizeInBytes + prompt.Length));
        Span<byte> link = stackalloc byte[SHA256.HashSizeInBytes];
        Hash(named, body.Tools.Span, buffer, link);
        for (int i = 0, start = 0; i < digests.Length; start = PromptPieces.EndOf(i++))
        {
            Hash(link, prompt[start..PromptPieces.EndOf(i)], buffer, link);
            digests[i] = Math.Max(1, BinaryPrimitives.ReadUInt64LittleEndian(link)); // 0 means no name.
        }
        ArrayPool<byte>.Shared.Return(buffer);
        return new PromptPieces(prompt.Length, digests);
    }

    /// <summary>Names a client's session; null when it named none. Another tenant's of the same name is another.</summary>
    public static ulong? SessionOf(string? tenant, string session) => session.Length > 0 ? Session(tenant, session) : null;

    /// <summary>Names a client's session. Another tenant's of the same name is another.</summary>
    public static ulong Session(string? tenant, string session) =>
        BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"session/{Part(tenant)}{Part(session)}")));

    /// <summary>Names a pod among hashes.</summary>
    public static ulong Pod(string uid) => BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(uid)));

    private static void Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> buffer, Span<byte> hash)
    {
        first.CopyTo(buffer);
        second.CopyTo(buffer[first.Length..]);
        SHA256.HashData(buffer[..(first.Length + second.Length)], hash);
    }

    private static string Part(string? text) => text is null ? "none/" : $"{text.Length}:{text}/";
}
