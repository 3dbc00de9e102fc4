using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace AiFabric.Engine.Tokenization.Normalizers;

/// <summary>
/// SentencePiece's table of replacements: four bytes with the length of a double-array trie, the trie (little-endian units of four bytes), and the
/// replacements, each ended by a zero byte.
/// </summary>
/// <remarks>
/// Hugging Face applies it to clusters of at most five bytes as a whole, else to each character, and takes the shortest match of the trie; so does this.
/// Source of the units: Darts-clone; of the table: SentencePiece, <c>src/normalizer.cc</c>.
/// </remarks>
internal sealed class PrecompiledNormalizer
{
    private const int LongestCluster = 5;

    private readonly uint[] units;
    private readonly byte[] replacements;

    /// <exception cref="Weights.CheckpointException">The table is no Base64, or cut off.</exception>
    public PrecompiledNormalizer(JsonPart json)
    {
        json.Only("precompiled_charsmap");
        var part = json.Get("precompiled_charsmap");
        byte[] table;
        try
        {
            table = Convert.FromBase64String(json.Text("precompiled_charsmap"));
        }
        catch (FormatException)
        {
            throw part.Refuse("is no Base64");
        }
        int trieBytes = table.Length >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(table) : -1;
        if (trieBytes < 4 || trieBytes % 4 != 0 || trieBytes > table.Length - 4)
            throw part.Refuse("is cut off");
        units = new uint[trieBytes / 4];
        for (int i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(4 + (4 * i)));
        replacements = table[(4 + trieBytes)..];
    }

    public string Apply(string text)
    {
        var changed = new StringBuilder(text.Length);
        Span<byte> bytes = stackalloc byte[LongestCluster];
        for (int i = 0; i < text.Length;)
        {
            int length = StringInfo.GetNextTextElementLength(text.AsSpan(i));
            var cluster = text.AsSpan(i, length);
            i += length;
            if (Encoding.UTF8.GetByteCount(cluster) <= LongestCluster && Find(bytes[..Encoding.UTF8.GetBytes(cluster, bytes)]) is { } whole)
            {
                changed.Append(whole);
                continue;
            }
            foreach (var rune in cluster.EnumerateRunes())
            {
                if (Find(bytes[..rune.EncodeToUtf8(bytes)]) is { } replacement)
                    changed.Append(replacement);
                else
                    changed.Append(rune);
            }
        }
        return changed.ToString();
    }

    // Follows the trie to the first leaf. A table that points outside itself matches nothing.
    private string? Find(ReadOnlySpan<byte> key)
    {
        uint node = Offset(units[0]);
        foreach (byte b in key)
        {
            node ^= b;
            if (b == 0 || node >= units.Length || (units[node] & 0x8000_00FF) != b)
                return null;
            uint unit = units[node];
            node ^= Offset(unit);
            if ((unit & 0x100) != 0)
                return node < units.Length ? Replacement(units[node] & 0x7FFF_FFFF) : null;
        }
        return null;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private string? Replacement(uint start)
    {
        if (start >= replacements.Length)
            return null;
        var rest = replacements.AsSpan((int)start);
        int end = rest.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }
}
