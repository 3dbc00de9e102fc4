using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using AiFabric.Operator.Webhooks.Certificates;
using Xunit;

namespace AiFabric.Tests.Operator.Webhooks;

public sealed class CertificatePlannerTests
{
    private static readonly CertificateTimes Times = CertificateTimes.Default;
    private static readonly string[] Names = ["hooks.aifabric-system.svc", "127.0.0.1"];
    private static readonly DateTimeOffset Start = Make.Now;

    [Fact]
    public void Each_moment_in_a_life_has_its_step()
    {
        KeyRing ring = New(Start);
        KeyRing added = Next(CertificateStep.AddAuthority, ring, Start.AddDays(245));
        KeyRing renewed = Next(CertificateStep.Renew, added, Start.AddDays(246));
        (string Case, KeyRing? Ring, bool Published, DateTimeOffset Now, CertificateStep Expected)[] table =
        [
            ("nothing there", null, false, Start, CertificateStep.Replace),
            ("new", ring, true, Start, CertificateStep.Keep),
            ("new, not published", ring, false, Start, CertificateStep.Keep),
            ("before two thirds", ring, true, Start.AddDays(59.9), CertificateStep.Keep),
            ("two thirds", ring, true, Start.AddDays(60), CertificateStep.Renew),
            ("two thirds, not published", ring, false, Start.AddDays(60), CertificateStep.Renew),
            ("serving expired", ring, true, Start.AddDays(90), CertificateStep.Renew),
            ("authority old: before all else, for it takes longest", ring with { Serving = ring.Serving with { Until = Start.AddDays(300) } }, true, Start.AddDays(244), CertificateStep.AddAuthority),
            ("authority expired", ring, true, Start.AddDays(365), CertificateStep.Replace),
            ("new authority, not yet seen by all", Fresh(added), true, Start.AddDays(245).AddMinutes(4), CertificateStep.Keep),
            ("new authority, seen by all", Fresh(added), true, Start.AddDays(245).AddMinutes(5), CertificateStep.Renew),
            ("new authority, not published", Fresh(added), false, Start.AddDays(250), CertificateStep.Keep),
            ("old authority gone before the new one was published", added with { Serving = added.Serving with { Until = Start.AddDays(1000) } }, false, Start.AddDays(365), CertificateStep.Renew),
            ("old authority still served by some", renewed, true, Start.AddDays(246).AddMinutes(4), CertificateStep.Keep),
            ("old authority served by none", renewed, true, Start.AddDays(246).AddMinutes(5), CertificateStep.Retire),
            ("retired", Next(CertificateStep.Retire, renewed, Start.AddDays(247)), true, Start.AddDays(247), CertificateStep.Keep),
        ];
        foreach ((string name, KeyRing? given, bool published, DateTimeOffset now, CertificateStep expected) in table)
            Assert.Equal((name, expected), (name, CertificatePlanner.Plan(given, published, Names, now, Times)));
    }

    [Fact]
    public void A_name_that_is_missing_renews()
    {
        KeyRing ring = New(Start);
        Assert.Equal(CertificateStep.Renew, CertificatePlanner.Plan(ring, true, ["other.svc"], Start, Times));
        Assert.Equal(CertificateStep.Keep, CertificatePlanner.Plan(ring, true, ["127.0.0.1"], Start, Times));
    }

    /// <summary>Ten years in steps of half a day: a client that trusts the last bundle of a while ago trusts what is served now, at all times.</summary>
    [Fact]
    public void At_all_times_what_is_served_is_valid_and_trusted_by_who_knows_an_older_or_newer_bundle()
    {
        KeyRing? ring = null;
        KeyRing before = New(Start);
        int authorities = 0, renewals = 0;
        for (DateTimeOffset now = Start; now < Start.AddYears(10); now += TimeSpan.FromHours(12))
        {
            CertificateStep step = CertificatePlanner.Plan(ring, published: true, Names, now, Times);
            if (step == CertificateStep.Keep)
                continue;
            Assert.True(ring is null || step != CertificateStep.Replace, $"all was lost at {now}");
            before = ring ?? before;
            ring = Next(step, ring, now);
            authorities += step == CertificateStep.AddAuthority ? 1 : 0;
            renewals += step == CertificateStep.Renew ? 1 : 0;
            Assert.InRange(now, ring.Serving.From, ring.Serving.Until);
            if (step == CertificateStep.Replace)
                continue;
            Assert.True(Trusts(before.Bundle, ring, now), $"{step} at {now}: the bundle before does not trust what is served now");
            Assert.True(Trusts(ring.Bundle, before, now), $"{step} at {now}: the bundle now does not trust what was served before");
            Assert.InRange(ring.Authorities.Count, 1, 2);
        }
        Assert.Equal(15, authorities); // Every 243 days.
        Assert.InRange(renewals, 60, 80);
    }

    [Fact]
    public void A_ring_survives_its_secret()
    {
        KeyRing ring = Next(CertificateStep.AddAuthority, New(Start), Start.AddDays(1));
        Assert.True(KeyRing.TryRead(ring.Write(), out KeyRing? read, out _));
        Assert.Equal(ring.Authorities, read.Authorities);
        Assert.Equal((1, ring.Serving, ring.AuthorityKey), (read.Signer, read.Serving, read.AuthorityKey));
        using X509Certificate2 opened = read.Open();
        Assert.True(opened.HasPrivateKey);
        Assert.Equal("1.2.840.10045.2.1", opened.PublicKey.Oid.Value); // Elliptic curve
        using ECDsa key = opened.GetECDsaPrivateKey()!;
        Assert.Equal(256, key.KeySize);
    }

    [Fact]
    public void A_secret_of_no_use_says_why()
    {
        KeyRing ring = New(Start);
        KeyRing other = New(Start);
        (string Expected, Action<Dictionary<string, byte[]>> Break)[] table =
        [
            ("it lacks ca.key", data => data.Remove(KeyRing.AuthorityKeyEntry)),
            ("ca.crt holds no certificate", data => data[KeyRing.AuthoritiesEntry] = []),
            ("it cannot be read", data => data[KeyRing.ServingEntry] = Encoding.ASCII.GetBytes("nonsense")),
            ("it cannot be read", data => data[KeyRing.ServingKeyEntry] = other.Write()[KeyRing.ServingKeyEntry]),
            ("it cannot be read", data => data[KeyRing.AuthorityKeyEntry] = other.Write()[KeyRing.AuthorityKeyEntry]),
            ("it cannot be read", data => data[KeyRing.AuthoritiesEntry] = Encoding.ASCII.GetBytes("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
            ("tls.crt is signed by none of ca.crt", data =>
            {
                data[KeyRing.AuthoritiesEntry] = other.Write()[KeyRing.AuthoritiesEntry];
                data[KeyRing.AuthorityKeyEntry] = other.Write()[KeyRing.AuthorityKeyEntry];
            }),
        ];
        foreach ((string expected, Action<Dictionary<string, byte[]>> breakIt) in table)
        {
            Dictionary<string, byte[]> data = ring.Write();
            breakIt(data);
            Assert.False(KeyRing.TryRead(data, out _, out string? problem));
            Assert.StartsWith(expected, problem, StringComparison.Ordinal);
        }
        Assert.False(KeyRing.TryRead(null, out _, out string? none));
        Assert.Equal("there is no such Secret", none);
    }

    private static KeyRing New(DateTimeOffset now) => CertificatePlanner.Make(CertificateStep.Replace, null, [], Names, now, Times);

    private static KeyRing Next(CertificateStep step, KeyRing? ring, DateTimeOffset now) => CertificatePlanner.Make(step, ring, [], Names, now, Times);

    /// <summary>The same ring as if its serving certificate had been renewed in time.</summary>
    private static KeyRing Fresh(KeyRing ring) => ring with { Serving = ring.Serving with { Until = Start.AddDays(300) } };

    private static bool Trusts(string bundle, KeyRing served, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.ImportFromPem(bundle);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        using X509Certificate2 certificate = served.Open();
        return chain.Build(certificate) && certificate.MatchesHostname("hooks.aifabric-system.svc") && certificate.MatchesHostname("127.0.0.1");
    }
}
