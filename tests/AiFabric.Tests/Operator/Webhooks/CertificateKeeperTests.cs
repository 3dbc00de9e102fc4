using System.Net;
using System.Text;
using AiFabric.Operator;
using AiFabric.Operator.Webhooks.Certificates;
using AiFabric.Tests.Kube;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Prometheus;
using Xunit;

namespace AiFabric.Tests.Operator.Webhooks;

public sealed class CertificateKeeperTests : IDisposable
{
    private const string Space = "aifabric-system";
    private const string Secret = "aifabric-operator-webhooks";

    private readonly FakeApiServer _server = new();
    private readonly FakeTimeProvider _time = new(Make.Now);

    public void Dispose() => _server.Dispose();

    [Fact]
    public async Task The_first_round_makes_publishes_and_serves_and_the_next_writes_nothing()
    {
        Install();
        (CertificateKeeper keeper, ServedCertificate served) = Keeper();
        Assert.Equal(CertificateTimes.Default.Look, await keeper.StepAsync(Cancel));
        KeyRing ring = Stored();
        Assert.Equal(ring.Serving, served.Ring!.Serving);
        Assert.True(served.Certificate!.HasPrivateKey);
        Assert.Equal([ring.Bundle, ring.Bundle], Bundles());

        int writes = Writes();
        Assert.Equal(CertificateTimes.Default.Look, await keeper.StepAsync(Cancel));
        Assert.Equal(writes, Writes());
    }

    [Fact]
    public async Task Replicas_that_start_together_end_up_with_one_certificate()
    {
        Install();
        (CertificateKeeper first, ServedCertificate a) = Keeper();
        (CertificateKeeper second, ServedCertificate b) = Keeper();
        // The second one found no Secret either, and its create comes too late.
        _server.FailNext(request => request.Method == "POST", HttpStatusCode.Conflict, "AlreadyExists");
        Assert.Equal(CertificateKeeper.Soon, await second.StepAsync(Cancel));
        Assert.Null(b.Certificate);
        await first.StepAsync(Cancel);
        await second.StepAsync(Cancel);
        Assert.Equal(a.Ring!.Serving, b.Ring!.Serving);
    }

    [Fact]
    public async Task A_bundle_is_not_written_over_a_newer_one()
    {
        Install();
        (CertificateKeeper keeper, ServedCertificate served) = Keeper();
        _server.FailNext(request => request.IsApply, HttpStatusCode.Conflict, "Conflict");
        Assert.Equal(CertificateKeeper.Soon, await keeper.StepAsync(Cancel));
        Assert.Null(served.Certificate); // Not before it is trusted.
        Assert.Equal(CertificateTimes.Default.Look, await keeper.StepAsync(Cancel));
        Assert.Equal([Stored().Bundle, Stored().Bundle], Bundles());
    }

    [Fact]
    public async Task Two_thirds_of_a_life_bring_a_new_certificate_that_other_replicas_take_over()
    {
        Install();
        (CertificateKeeper first, ServedCertificate a) = Keeper();
        (CertificateKeeper second, ServedCertificate b) = Keeper();
        await first.StepAsync(Cancel);
        await second.StepAsync(Cancel);
        KeyRing before = a.Ring!;
        _time.Advance(TimeSpan.FromDays(60));
        await first.StepAsync(Cancel);
        Assert.NotEqual(before.Serving, a.Ring!.Serving);
        Assert.Equal(before.Authorities, a.Ring.Authorities);
        Assert.Equal(before.Serving, b.Ring!.Serving);
        await second.StepAsync(Cancel);
        Assert.Equal(a.Ring.Serving, b.Ring.Serving);
    }

    [Fact]
    public async Task An_authority_changes_in_three_steps_and_both_are_trusted_in_between()
    {
        Install();
        (CertificateKeeper keeper, ServedCertificate served) = Keeper();
        await keeper.StepAsync(Cancel);
        for (int month = 0; month < 8; month++)
        {
            _time.Advance(TimeSpan.FromDays(30));
            await keeper.StepAsync(Cancel);
        }
        KeyRing old = served.Ring!;
        _time.Advance(TimeSpan.FromDays(4)); // 244 days in all.
        await keeper.StepAsync(Cancel);
        KeyRing added = Stored();
        Assert.Equal((2, 1, old.Serving), (added.Authorities.Count, added.Signer, added.Serving));
        Assert.Equal([added.Bundle, added.Bundle], Bundles());
        await keeper.StepAsync(Cancel);
        Assert.Equal(added.Serving, Stored().Serving); // Not before every API server knows the new one.
        _time.Advance(CertificateTimes.Default.Settle);
        await keeper.StepAsync(Cancel);
        Assert.Equal((2, 0), (Stored().Authorities.Count, Stored().Signer));
        _time.Advance(CertificateTimes.Default.Settle);
        await keeper.StepAsync(Cancel);
        Assert.Equal([added.Authorities[0]], Stored().Authorities);
        Assert.Equal([Stored().Bundle, Stored().Bundle], Bundles());
    }

    [Fact]
    public async Task Broken_content_is_replaced_and_what_is_served_elsewhere_stays_trusted()
    {
        Install();
        (CertificateKeeper keeper, ServedCertificate served) = Keeper();
        await keeper.StepAsync(Cancel);
        KeyRing before = served.Ring!;
        V1Secret secret = _server.Find<V1Secret>(Secret, Space)!;
        secret.Data[KeyRing.ServingKeyEntry] = Encoding.ASCII.GetBytes("garbage");
        _server.Put(secret);
        await keeper.StepAsync(Cancel);
        Assert.NotEqual(before.Serving, Stored().Serving);
        Assert.Equal([.. Stored().Authorities.Skip(1)], before.Authorities);

        _server.Remove<V1Secret>(Secret, Space);
        await keeper.StepAsync(Cancel);
        Assert.Equal(served.Ring!.Serving, Stored().Serving);
        Assert.Equal([Stored().Bundle, Stored().Bundle], Bundles());
    }

    [Fact]
    public async Task An_expired_certificate_is_replaced_after_a_long_sleep()
    {
        Install();
        (CertificateKeeper keeper, ServedCertificate served) = Keeper();
        await keeper.StepAsync(Cancel);
        _time.Advance(TimeSpan.FromDays(400));
        await keeper.StepAsync(Cancel);
        Assert.Single(Stored().Authorities);
        Assert.InRange(_time.GetUtcNow(), served.Ring!.Serving.From, served.Ring.Serving.Until);
    }

    [Fact]
    public async Task A_bundle_that_someone_removed_comes_back_and_a_missing_configuration_is_waited_for()
    {
        (CertificateKeeper keeper, ServedCertificate served) = Keeper();
        Assert.Equal(CertificateKeeper.Waiting, await keeper.StepAsync(Cancel));
        Assert.NotNull(served.Certificate);
        Install();
        Assert.Equal(CertificateTimes.Default.Look, await keeper.StepAsync(Cancel));
        Assert.Equal([Stored().Bundle, Stored().Bundle], Bundles());
        Install();
        Assert.Equal([null, null], Bundles());
        await keeper.StepAsync(Cancel);
        Assert.Equal([Stored().Bundle, Stored().Bundle], Bundles());
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private (CertificateKeeper Keeper, ServedCertificate Served) Keeper()
    {
        var served = new ServedCertificate();
        var keeper = new CertificateKeeper(
            _server.Client(), served, Options.Create(new OperatorOptions()), CertificateTimes.Default, _time, new OperatorMetrics(Metrics.NewCustomRegistry()),
            NullLogger<CertificateKeeper>.Instance);
        return (keeper, served);
    }

    private void Install()
    {
        _server.Put(new V1ValidatingWebhookConfiguration
        {
            Metadata = new V1ObjectMeta { Name = "aifabric-validation" },
            Webhooks = [new V1ValidatingWebhook { Name = "validate.aifabric.io", ClientConfig = new(), AdmissionReviewVersions = ["v1"], SideEffects = "None" }],
        });
        _server.Put(new V1MutatingWebhookConfiguration
        {
            Metadata = new V1ObjectMeta { Name = "aifabric-defaulting" },
            Webhooks = [new V1MutatingWebhook { Name = "default.aifabric.io", ClientConfig = new(), AdmissionReviewVersions = ["v1"], SideEffects = "None" }],
        });
    }

    private KeyRing Stored()
    {
        Assert.True(KeyRing.TryRead(_server.Find<V1Secret>(Secret, Space)?.Data, out KeyRing? ring, out string? problem), problem);
        return ring;
    }

    private string?[] Bundles() =>
    [
        Text(_server.Find<V1ValidatingWebhookConfiguration>("aifabric-validation", null)!.Webhooks[0].ClientConfig.CaBundle),
        Text(_server.Find<V1MutatingWebhookConfiguration>("aifabric-defaulting", null)!.Webhooks[0].ClientConfig.CaBundle),
    ];

    private static string? Text(byte[]? bytes) => bytes is null ? null : Encoding.ASCII.GetString(bytes);

    private int Writes() => _server.Seen(request => request.Method != "GET").Length;
}
