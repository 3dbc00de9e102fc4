using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace AiFabric.Engine.KvCache;

/// <summary>
/// Identity of a block's content: half of SHA-256 over the previous block's identity and the block's tokens. A cryptographic hash,
/// because two prompts with the same hash would read each other's cache.
/// </summary>
public readonly record struct PrefixHash(ulong High, ulong Low)
{
    private const int StackTokens = 256;

    /// <summary>The beginning of a chain: sequences share blocks only within one adapter load, one tenant and one salt.</summary>
    /// <param name="adapterLoad">Number of the adapter's load; 0 for the base model.</param>
    /// <param name="salt">The request's cache salt; null is a salt of its own.</param>
    /// <param name="tenant">Whose request it is; null is a tenant of its own.</param>
    public static PrefixHash Start(long adapterLoad, string? salt, string? tenant = null) =>
        Of(Encoding.UTF8.GetBytes($"{adapterLoad}/{Part(tenant)}/{Part(salt)}"));

    /// <summary>The identity of the block after this one.</summary>
    /// <param name="tokens">All tokens of the next block.</param>
    public PrefixHash Next(ReadOnlySpan<int> tokens)
    {
        Span<byte> buffer = tokens.Length <= StackTokens ? stackalloc byte[16 + (StackTokens * sizeof(int))] : new byte[16 + (tokens.Length * sizeof(int))];
        BinaryPrimitives.WriteUInt64LittleEndian(buffer, High);
        BinaryPrimitives.WriteUInt64LittleEndian(buffer[8..], Low);
        MemoryMarshal.AsBytes(tokens).CopyTo(buffer[16..]);
        return Of(buffer[..(16 + (tokens.Length * sizeof(int)))]);
    }

    // With its length, so that no salt can spell a tenant.
    private static string Part(string? text) => text is null ? "none" : $"{text.Length}:{text}";

    private static PrefixHash Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, digest);
        return new PrefixHash(BinaryPrimitives.ReadUInt64LittleEndian(digest), BinaryPrimitives.ReadUInt64LittleEndian(digest[8..]));
    }
}
