using System.Collections.Frozen;

namespace AiFabric.Engine.Tokenization;

/// <summary>The printable character that stands for each byte in a byte-level vocabulary.</summary>
/// <remarks>Source: GPT-2's <c>bytes_to_unicode</c>: printable Latin-1 stands for itself, the other 68 bytes take U+0100 onwards in order.</remarks>
public static class ByteAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly FrozenDictionary<char, byte> Bytes = Enumerable.Range(0, 256).ToFrozenDictionary(b => Characters[b], b => (byte)b);

    /// <summary>The character that stands for a byte.</summary>
    public static char CharacterOf(byte value) => Characters[value];

    /// <summary>Spells bytes in the alphabet.</summary>
    public static string Spell(ReadOnlySpan<byte> bytes)
    {
        var characters = new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
            characters[i] = Characters[bytes[i]];
        return new string(characters);
    }

    /// <summary>Turns a spelling back into bytes.</summary>
    /// <returns>False when a character is not of the alphabet.</returns>
    public static bool TryParse(string spelling, out byte[] bytes)
    {
        bytes = new byte[spelling.Length];
        for (int i = 0; i < spelling.Length; i++)
        {
            if (!Bytes.TryGetValue(spelling[i], out bytes[i]))
                return false;
        }
        return true;
    }

    private static char[] Build()
    {
        var characters = new char[256];
        char next = '\u0100';
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[b] = printable ? (char)b : next++;
        }
        return characters;
    }
}
