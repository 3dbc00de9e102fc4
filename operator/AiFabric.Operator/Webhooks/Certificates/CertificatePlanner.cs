namespace AiFabric.Operator.Webhooks.Certificates;

/// <summary>How long certificates live.</summary>
internal sealed record CertificateTimes
{
    public static CertificateTimes Default { get; } = new();

    public TimeSpan AuthorityLife { get; init; } = TimeSpan.FromDays(365);

    public TimeSpan ServingLife { get; init; } = TimeSpan.FromDays(90);

    /// <summary>Certificates are dated back by this much, for clocks that are behind.</summary>
    public TimeSpan Backdate { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Time for every API server and every replica of the operator to see a change.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Between two looks at the Secret when all is as wanted; well below <see cref="Settle"/>.</summary>
    public TimeSpan Look { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>The next step in the life of the certificates.</summary>
internal enum CertificateStep
{
    /// <summary>All is well.</summary>
    Keep,

    /// <summary>Nothing there can be used: a new authority and a new serving certificate.</summary>
    Replace,

    /// <summary>A new authority is trusted beside the old one, which still signs what is served.</summary>
    AddAuthority,

    /// <summary>A new serving certificate, signed by the newest authority.</summary>
    Renew,

    /// <summary>Authorities that signed nothing that is still served are trusted no more.</summary>
    Retire,
}

/// <summary>
/// Decides when certificates change. Pure. An authority changes in three steps, so that a client which trusts what was last published never meets
/// a certificate it does not trust: (1) publish the new authority beside the old, (2) serve a certificate signed by the new one, (3) drop the old.
/// </summary>
internal static class CertificatePlanner
{
    /// <param name="ring">What there is; null when there is nothing of use.</param>
    /// <param name="published">Whether every webhook configuration trusts the ring's newest authority.</param>
    /// <param name="names">Names the serving certificate must have.</param>
    /// <param name="now">The time.</param>
    /// <param name="times">How long certificates live.</param>
    public static CertificateStep Plan(KeyRing? ring, bool published, IReadOnlyList<string> names, DateTimeOffset now, CertificateTimes times)
    {
        if (ring is null || ring.Authorities[0].Until <= now)
            return CertificateStep.Replace;
        if (ring.Serving.Until <= now || ring.Authorities[ring.Signer].Until <= now || !ring.Covers(names))
            return CertificateStep.Renew;
        if (ring.Signer > 0)
        {
            return published && Issued(ring.Authorities[0], times) + times.Settle <= now ? CertificateStep.Renew : CertificateStep.Keep;
        }
        if (IsOld(ring.Authorities[0], now))
            return CertificateStep.AddAuthority;
        if (IsOld(ring.Serving, now))
            return CertificateStep.Renew;
        return ring.Authorities.Count > 1 && Issued(ring.Serving, times) + times.Settle <= now ? CertificateStep.Retire : CertificateStep.Keep;
    }

    /// <summary>What a step makes of the ring. Makes keys, and is else pure.</summary>
    /// <param name="step">Not Keep.</param>
    /// <param name="ring">What there is; null with Replace only.</param>
    /// <param name="trusted">Authorities that replicas may still serve certificates of; kept by Replace.</param>
    /// <param name="names">Names for the serving certificate.</param>
    /// <param name="now">The time.</param>
    /// <param name="times">How long certificates live.</param>
    public static KeyRing Make(
        CertificateStep step, KeyRing? ring, IReadOnlyList<CertificateFacts> trusted, IReadOnlyList<string> names, DateTimeOffset now, CertificateTimes times)
    {
        if (step == CertificateStep.Replace || ring is null)
        {
            (CertificateFacts first, string firstKey) = CertificateMaker.Authority(now, times);
            (CertificateFacts serving, string servingKey) = CertificateMaker.Serving(first, firstKey, names, now, times);
            return new KeyRing([first, .. trusted.Where(authority => authority.Until > now)], firstKey, serving, servingKey, Signer: 0);
        }
        switch (step)
        {
            case CertificateStep.AddAuthority:
                (CertificateFacts next, string nextKey) = CertificateMaker.Authority(now, times);
                return ring with { Authorities = [next, .. ring.Authorities], AuthorityKey = nextKey, Signer = ring.Signer + 1 };
            case CertificateStep.Renew:
                (CertificateFacts renewed, string renewedKey) = CertificateMaker.Serving(ring.Authorities[0], ring.AuthorityKey, names, now, times);
                return ring with { Serving = renewed, ServingKey = renewedKey, Signer = 0 };
            case CertificateStep.Retire:
                return ring with { Authorities = [ring.Authorities[0]] };
            default:
                return ring;
        }
    }

    private static DateTimeOffset Issued(CertificateFacts certificate, CertificateTimes times) => certificate.From + times.Backdate;

    /// <summary>At two thirds of its life a certificate is replaced: a third is left in which the replacement may fail.</summary>
    private static bool IsOld(CertificateFacts certificate, DateTimeOffset now) =>
        now >= certificate.From + ((certificate.Until - certificate.From) * 2 / 3);
}
