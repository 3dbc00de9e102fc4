using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace AiFabric.Operator.Webhooks.Certificates;

/// <summary>What is to be known of a certificate without its key.</summary>
/// <param name="Pem">The certificate.</param>
/// <param name="From">Start of its life.</param>
/// <param name="Until">End of its life.</param>
internal sealed record CertificateFacts(string Pem, DateTimeOffset From, DateTimeOffset Until)
{
    public static CertificateFacts Of(X509Certificate2 certificate) => new(
        certificate.ExportCertificatePem(), new DateTimeOffset(certificate.NotBefore.ToUniversalTime()),
        new DateTimeOffset(certificate.NotAfter.ToUniversalTime()));
}

/// <summary>The serving certificate and the authorities to trust, as the Secret keeps them.</summary>
/// <param name="Authorities">Trusted authorities, newest first; the first one signs from now on.</param>
/// <param name="AuthorityKey">PEM of the first authority's key.</param>
/// <param name="Serving">The certificate that is served.</param>
/// <param name="ServingKey">PEM of its key.</param>
/// <param name="Signer">Which of <paramref name="Authorities"/> signed it.</param>
internal sealed record KeyRing(
    IReadOnlyList<CertificateFacts> Authorities, string AuthorityKey, CertificateFacts Serving, string ServingKey, int Signer)
{
    public const string AuthoritiesEntry = "ca.crt";
    public const string AuthorityKeyEntry = "ca.key";
    public const string ServingEntry = "tls.crt";
    public const string ServingKeyEntry = "tls.key";

    /// <summary>All trusted authorities: the <c>caBundle</c>.</summary>
    public string Bundle => string.Concat(Authorities.Select(authority => authority.Pem + "\n"));

    /// <summary>Reads a Secret's data.</summary>
    /// <param name="data">The Secret's data; null when there is no Secret.</param>
    /// <param name="ring">The content.</param>
    /// <param name="problem">Why it is of no use, as a clause.</param>
    public static bool TryRead(
        IDictionary<string, byte[]>? data, [NotNullWhen(true)] out KeyRing? ring, [NotNullWhen(false)] out string? problem)
    {
        ring = null;
        string[] missing = [.. new[] { AuthoritiesEntry, AuthorityKeyEntry, ServingEntry, ServingKeyEntry }.Where(key => data?.ContainsKey(key) != true)];
        if (data is null || missing.Length > 0)
        {
            problem = data is null ? "there is no such Secret" : $"it lacks {string.Join(", ", missing)}";
            return false;
        }
        try
        {
            (ring, problem) = Read(Text(data, AuthoritiesEntry), Text(data, AuthorityKeyEntry), Text(data, ServingEntry), Text(data, ServingKeyEntry));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            problem = $"it cannot be read: {e.Message}";
        }
        return ring is not null;
    }

    public Dictionary<string, byte[]> Write() => new()
    {
        [AuthoritiesEntry] = Encoding.ASCII.GetBytes(Bundle),
        [AuthorityKeyEntry] = Encoding.ASCII.GetBytes(AuthorityKey),
        [ServingEntry] = Encoding.ASCII.GetBytes(Serving.Pem + "\n"),
        [ServingKeyEntry] = Encoding.ASCII.GetBytes(ServingKey),
    };

    /// <summary>The serving certificate with its key. The caller disposes it.</summary>
    public X509Certificate2 Open() => X509Certificate2.CreateFromPem(Serving.Pem, ServingKey);

    /// <summary>Whether the serving certificate holds for every one of <paramref name="names"/>.</summary>
    public bool Covers(IReadOnlyList<string> names)
    {
        using var serving = X509Certificate2.CreateFromPem(Serving.Pem);
        return names.All(name => serving.MatchesHostname(name, allowWildcards: false, allowCommonName: false));
    }

    private static (KeyRing? Ring, string? Problem) Read(string authorities, string authorityKey, string serving, string servingKey)
    {
        var trusted = new X509Certificate2Collection();
        trusted.ImportFromPem(authorities);
        if (trusted.Count == 0)
            return (null, $"{AuthoritiesEntry} holds no certificate");
        try
        {
            using var first = X509Certificate2.CreateFromPem(trusted[0].ExportCertificatePem(), authorityKey); // Throws when the key is another's.
            using var served = X509Certificate2.CreateFromPem(serving, servingKey);
            int signer = trusted.ToList().FindIndex(authority => Signs(authority, served));
            return signer < 0
                ? (null, $"{ServingEntry} is signed by none of {AuthoritiesEntry}")
                : (new KeyRing([.. trusted.Select(CertificateFacts.Of)], authorityKey, CertificateFacts.Of(served), servingKey, signer), null);
        }
        finally
        {
            foreach (X509Certificate2 authority in trusted)
                authority.Dispose();
        }
    }

    /// <summary>Looks at the signature alone: times are the planner's to judge.</summary>
    private static bool Signs(X509Certificate2 authority, X509Certificate2 serving)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid | X509VerificationFlags.IgnoreCtlNotTimeValid;
        return chain.Build(serving);
    }

    private static string Text(IDictionary<string, byte[]> data, string key) => Encoding.UTF8.GetString(data[key]);
}
