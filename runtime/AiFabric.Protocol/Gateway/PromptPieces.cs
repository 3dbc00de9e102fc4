using System.Buffers.Binary;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace AiFabric.Protocol.Gateway;

/// <summary>
/// Names for the beginnings of one prompt, as the gateway tells the worker in <see cref="WorkerHeaders.Prompt"/>: digests of the first
/// <see cref="EndOf"/> bytes, shortest first. Who knows the digests knows nothing of the text.
/// </summary>
/// <param name="Bytes">Length of the whole prompt, bytes as the client wrote it.</param>
/// <param name="Digests">One for each beginning that is not longer than the prompt.</param>
public sealed record PromptPieces(int Bytes, IReadOnlyList<ulong> Digests)
{
    /// <summary>Length of the first piece, and of the shortest: about 30 tokens of English, two blocks of a key-value cache.</summary>
    public const int SmallestPiece = 128;

    /// <summary>Pieces of a prompt at most. The ends lie so far apart that these reach beyond any body.</summary>
    public const int MaxPieces = 120;

    private static readonly int[] Ends = MakeEnds();

    /// <summary>Where a piece ends, bytes from the prompt's beginning: equal for all prompts, each an eighth further than the one before, and 128 bytes at least.</summary>
    public static int EndOf(int piece) => Ends[piece];

    /// <summary>How many pieces end within a number of bytes.</summary>
    public static int CountIn(int bytes)
    {
        int found = Array.BinarySearch(Ends, bytes);
        return found >= 0 ? found + 1 : ~found;
    }

    /// <summary>As a header: <c>BYTES;DIGESTS</c>, the digests 8 bytes each, little-endian, in base64url.</summary>
    public string ToHeader()
    {
        byte[] bytes = new byte[Digests.Count * sizeof(ulong)];
        for (int i = 0; i < Digests.Count; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), Digests[i]);
        return string.Create(CultureInfo.InvariantCulture, $"{Bytes};{Base64Url.EncodeToString(bytes)}");
    }

    /// <summary>Reads a header.</summary>
    /// <returns>False when it is none: another form, or as many digests as the length does not have.</returns>
    public static bool TryParse(string header, [NotNullWhen(true)] out PromptPieces? pieces)
    {
        pieces = null;
        int split = header.IndexOf(';', StringComparison.Ordinal);
        if (split < 0 || !int.TryParse(header.AsSpan(0, split), NumberStyles.None, CultureInfo.InvariantCulture, out int length))
            return false;
        ReadOnlySpan<char> text = header.AsSpan(split + 1);
        if (!Base64Url.IsValid(text, out int decoded) || decoded % sizeof(ulong) != 0 || decoded / sizeof(ulong) != CountIn(length))
            return false;
        byte[] bytes = Base64Url.DecodeFromChars(text);
        ulong[] digests = new ulong[decoded / sizeof(ulong)];
        for (int i = 0; i < digests.Length; i++)
            digests[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)));
        pieces = new PromptPieces(length, digests);
        return true;
    }

    private static int[] MakeEnds()
    {
        int[] ends = new int[MaxPieces];
        int end = 0;
        for (int i = 0; i < ends.Length; i++)
            ends[i] = end += Math.Max(SmallestPiece, end / 8 / SmallestPiece * SmallestPiece);
        return ends;
    }
}
