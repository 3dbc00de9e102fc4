using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace AiFabric.Operator.Webhooks.Certificates;

/// <summary>Makes authorities and serving certificates: ECDSA on P-256.</summary>
internal static class CertificateMaker
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1"; // RFC 5280, 4.2.1.12

    /// <summary>A new authority, with the key that goes with it.</summary>
    public static (CertificateFacts Authority, string Key) Authority(DateTimeOffset now, CertificateTimes times)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string issued = now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        // Two authorities that overlap must differ in name, for some clients look an issuer up by name alone.
        var request = new CertificateRequest($"CN=aifabric-operator-webhooks {issued}, O=aifabric.io", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using X509Certificate2 made = request.CreateSelfSigned(now - times.Backdate, now + times.AuthorityLife);
        return (CertificateFacts.Of(made), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>A new serving certificate, which does not outlive its authority.</summary>
    /// <param name="authority">Signs.</param>
    /// <param name="authorityKey">PEM of its key.</param>
    /// <param name="names">DNS names and addresses; not empty.</param>
    /// <param name="now">Start of its life, but for the time it is dated back.</param>
    /// <param name="times">How long it lives.</param>
    public static (CertificateFacts Serving, string Key) Serving(
        CertificateFacts authority, string authorityKey, IReadOnlyList<string> names, DateTimeOffset now, CertificateTimes times)
    {
        using var issuer = X509Certificate2.CreateFromPem(authority.Pem, authorityKey);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=aifabric-operator-webhooks, O=aifabric.io", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (string name in names)
        {
            if (IPAddress.TryParse(name, out IPAddress? address))
                alternatives.AddIpAddress(address);
            else
                alternatives.AddDnsName(name);
        }
        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, true, false));
        DateTimeOffset from = now - times.Backdate < authority.From ? authority.From : now - times.Backdate;
        DateTimeOffset until = now + times.ServingLife > authority.Until ? authority.Until : now + times.ServingLife;
        using X509Certificate2 made = request.Create(issuer, from, until, RandomNumberGenerator.GetBytes(16));
        return (CertificateFacts.Of(made), key.ExportPkcs8PrivateKeyPem());
    }
}
