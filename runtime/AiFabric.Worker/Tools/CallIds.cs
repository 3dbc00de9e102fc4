using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using AiFabric.Engine.Requests;

namespace AiFabric.Worker.Tools;

/// <summary>
/// Ids of an answer's calls. Equal requests with equal seeds get equal ids, as they get equal answers. The prompt counts too: the turns of one
/// conversation may share a seed, but its calls no id.
/// </summary>
/// <param name="style">Mistral's templates take ids of nine letters and digits, and no others.</param>
/// <param name="request">Whose answer it is.</param>
internal sealed class CallIds(ToolStyle style, GenerationRequest request)
{
    private const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    // Few answers have calls.
    private readonly Lazy<byte[]> key = new(() => KeyOf(request));

    /// <summary>The id of a call, by its place in the answer.</summary>
    public string Of(int call)
    {
        var input = new byte[SHA256.HashSizeInBytes + sizeof(int)];
        key.Value.CopyTo(input, 0);
        BinaryPrimitives.WriteInt32LittleEndian(input.AsSpan(SHA256.HashSizeInBytes), call);
        byte[] hash = SHA256.HashData(input);
        int length = style == ToolStyle.Listed ? 9 : 24;
        string letters = string.Concat(hash.Take(length).Select(b => Digits[b % Digits.Length]));
        return style == ToolStyle.Listed ? letters : "call_" + letters;
    }

    private static byte[] KeyOf(GenerationRequest request)
    {
        if (request.Sampling.Seed is not { } seed)
            return RandomNumberGenerator.GetBytes(SHA256.HashSizeInBytes);
        var input = new byte[sizeof(long) + (request.PromptTokens.Count * sizeof(int))];
        BinaryPrimitives.WriteInt64LittleEndian(input, seed);
        MemoryMarshal.AsBytes<int>(request.PromptTokens.ToArray()).CopyTo(input.AsSpan(sizeof(long)));
        return SHA256.HashData(input);
    }
}
