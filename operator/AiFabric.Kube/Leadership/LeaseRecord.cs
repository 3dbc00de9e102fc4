using k8s.Models;

namespace AiFabric.Kube;

/// <summary>What a lease says: who holds it, since when, and when they last renewed it.</summary>
internal sealed record LeaseRecord(
    string? Holder, int DurationSeconds, DateTime? AcquiredAt, DateTime? RenewedAt, int Transitions)
{
    public static LeaseRecord Of(V1Lease lease) => new(
        string.IsNullOrEmpty(lease.Spec?.HolderIdentity) ? null : lease.Spec.HolderIdentity,
        lease.Spec?.LeaseDurationSeconds ?? 0, lease.Spec?.AcquireTime, lease.Spec?.RenewTime, lease.Spec?.LeaseTransitions ?? 0);

    public V1LeaseSpec ToSpec() => new()
    {
        // The API takes an absent holder or a name, and client-go writes an empty name on release.
        HolderIdentity = Holder ?? string.Empty,
        LeaseDurationSeconds = DurationSeconds,
        AcquireTime = WithFraction(AcquiredAt),
        RenewTime = WithFraction(RenewedAt),
        LeaseTransitions = Transitions,
    };

    // Older servers parse these as MicroTime with exactly six digits after the point, and a whole second is written with none.
    private static DateTime? WithFraction(DateTime? instant) =>
        instant is not { } at ? null
        : at.Ticks % TimeSpan.TicksPerSecond < TimeSpan.TicksPerMicrosecond ? at.AddMicroseconds(1)
        : at;
}
