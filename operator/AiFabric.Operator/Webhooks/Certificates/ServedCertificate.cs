using System.Security.Cryptography.X509Certificates;

namespace AiFabric.Operator.Webhooks.Certificates;

/// <summary>The certificate that new connections get. A handshake in progress may hold the one before, which the runtime collects.</summary>
internal sealed class ServedCertificate
{
    private volatile Served? _served;

    /// <summary>Null until the Secret was read or made.</summary>
    public X509Certificate2? Certificate => _served?.Certificate;

    public KeyRing? Ring => _served?.Ring;

    /// <summary>Why nothing could be served or kept at the last try; null when all went well.</summary>
    public string? Problem { get; set; }

    /// <returns>Whether that is another certificate than before.</returns>
    public bool Serve(KeyRing ring)
    {
        bool isNew = _served?.Ring.Serving != ring.Serving;
        _served = new Served(ring, isNew || _served is null ? ring.Open() : _served.Certificate);
        return isNew;
    }

    private sealed record Served(KeyRing Ring, X509Certificate2 Certificate);
}
