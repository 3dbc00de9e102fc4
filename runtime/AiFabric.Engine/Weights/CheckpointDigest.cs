using System.Security.Cryptography;

namespace AiFabric.Engine.Weights;

/// <summary>The digest of a checkpoint's files, read when it is first asked for. Thread safe.</summary>
/// <param name="files">Open, in order; owned, and closed once the digest is known.</param>
public sealed class CheckpointDigest(IReadOnlyList<Stream> files)
{
    private readonly Lock gate = new();
    private volatile string? known;

    /// <summary>Whether <see cref="Read"/> answers at once.</summary>
    public bool IsKnown => known is not null;

    /// <summary><c>sha256:…</c>. Takes as long as reading the files; whoever asks meanwhile waits.</summary>
    /// <exception cref="IOException">A file cannot be read now. Whoever asks next reads all once more: a disk that fails once may be sound.</exception>
    public string Read()
    {
        lock (gate)
        {
            if (known is { } digest)
                return digest;
            known = digest = Compute();
            Close();
            return digest;
        }
    }

    /// <summary>Closes the files.</summary>
    internal void Close()
    {
        foreach (var file in files)
            file.Dispose();
    }

    private string Compute()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        foreach (var file in files)
        {
            file.Position = 0;
            for (int read; (read = file.Read(buffer)) > 0;)
                hash.AppendData(buffer, 0, read);
        }
        return "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
