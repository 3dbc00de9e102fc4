using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace AiFabric.Worker.Storage;

/// <summary>A checksum that content must have.</summary>
/// <param name="Algorithm"><see cref="Sha256"/> or <see cref="GitBlob"/>.</param>
/// <param name="Hex">Lower case hexadecimal digits.</param>
internal sealed record ContentDigest(string Algorithm, string Hex)
{
    public const string Sha256 = "sha256";

    /// <summary>The object name that Git gives a file: SHA-1 over <c>blob SIZE\0</c> and the content.</summary>
    public const string GitBlob = "git-blob";

    /// <summary>Reads 64 or 40 hexadecimal digits; null for anything else.</summary>
    public static ContentDigest? FromHex(string algorithm, string? hex) =>
        hex is not null && hex.Length == (algorithm == Sha256 ? 64 : 40) && hex.All(char.IsAsciiHexDigit)
            ? new ContentDigest(algorithm, hex.ToLowerInvariant())
            : null;

    /// <summary>Reads <c>sha256:…</c>; null for anything else.</summary>
    public static ContentDigest? Parse(string? text) =>
        text is not null && text.StartsWith("sha256:", StringComparison.Ordinal) ? FromHex(Sha256, text[7..]) : null;

    /// <param name="size">Bytes of the whole content; Git's names begin with it.</param>
    public IncrementalHash Begin(long size)
    {
        if (Algorithm == Sha256)
            return IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {size}\0")));
        return hash;
    }

    public bool Matches(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetCurrentHash()) == Hex;

    public override string ToString() => $"{Algorithm}:{Hex}";
}
