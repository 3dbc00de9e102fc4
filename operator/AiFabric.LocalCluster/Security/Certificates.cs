using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace AiFabric.LocalCluster.Security;

/// <summary>The cluster's own certificate authority and the server certificate it signed, kept in the data folder.</summary>
internal sealed class Certificates : IDisposable
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(3650);

    private Certificates(string authorityPath, X509Certificate2 server)
    {
        AuthorityPath = authorityPath;
        Server = server;
    }

    /// <summary>The PEM file of the authority, for clients.</summary>
    public string AuthorityPath { get; }

    /// <summary>The server's certificate with its key.</summary>
    public X509Certificate2 Server { get; }

    public void Dispose() => Server.Dispose();

    /// <summary>Reads the certificates of a data folder, or makes them.</summary>
    public static Certificates Load(string dataDirectory, TimeProvider clock)
    {
        var folder = Path.Combine(dataDirectory, "pki");
        var authorityPath = Path.Combine(folder, "ca.crt");
        var (serverPath, keyPath) = (Path.Combine(folder, "server.crt"), Path.Combine(folder, "server.key"));
        // The authority is written last: while it is missing, the others may be half made.
        if (!File.Exists(authorityPath))
        {
            Directory.CreateDirectory(folder);
            Make(authorityPath, serverPath, keyPath, clock.GetUtcNow());
        }

        return new(authorityPath, X509Certificate2.CreateFromPemFile(serverPath, keyPath));
    }

    private static void Make(string authorityPath, string serverPath, string keyPath, DateTimeOffset now)
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest("CN=aifabric-local-cluster-ca", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authorityRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        authorityRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(authorityRequest.PublicKey, false));
        using var authority = authorityRequest.CreateSelfSigned(now.AddDays(-1), now + Lifetime);

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=aifabric-local-cluster", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        names.AddDnsName("localhost");
        names.AddDnsName("kubernetes.default.svc");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        using var server = request.Create(authority, now.AddDays(-1), now + Lifetime - TimeSpan.FromDays(1), RandomNumberGenerator.GetBytes(12));

        PrivateFile.Write(keyPath, key.ExportPkcs8PrivateKeyPem());
        PrivateFile.Write(serverPath, server.ExportCertificatePem());
        PrivateFile.Write(authorityPath, authority.ExportCertificatePem());
    }
}
