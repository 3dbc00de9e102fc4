using k8s.Models;

namespace AiFabric.LocalCluster.Node.Probes;

/// <summary>What all probes of a container together say.</summary>
/// <param name="Started">The startup probe has succeeded, or there is none.</param>
/// <param name="Ready">It may receive traffic.</param>
/// <param name="Failure">Why it must be restarted; null when it need not be.</param>
internal sealed record ProbeVerdict(bool Started, bool Ready, string? Failure);

/// <summary>One probe's memory: how many equal results in a row, and the verdict they have led to.</summary>
/// <param name="Successes">Successes in a row.</param>
/// <param name="Failures">Failures in a row.</param>
/// <param name="Passing">The verdict; null before the first threshold is reached.</param>
/// <param name="NextAt">When to probe again.</param>
/// <param name="Message">What the latest failure said.</param>
internal sealed record ProbeState(int Successes, int Failures, bool? Passing, DateTimeOffset NextAt, string? Message)
{
    public static ProbeState Begin(V1Probe probe, DateTimeOffset startedAt) =>
        new(0, 0, null, startedAt + TimeSpan.FromSeconds(probe.InitialDelaySeconds ?? 0), null);

    /// <summary>The state after one more result.</summary>
    public ProbeState Observe(V1Probe probe, bool success, string? message, DateTimeOffset now)
    {
        int successes = success ? Successes + 1 : 0;
        int failures = success ? 0 : Failures + 1;
        bool? passing = successes >= (probe.SuccessThreshold ?? 1) ? true
            : failures >= (probe.FailureThreshold ?? 3) ? false
            : Passing;
        return new ProbeState(successes, failures, passing, now + TimeSpan.FromSeconds(probe.PeriodSeconds ?? 10), success ? null : message);
    }
}
