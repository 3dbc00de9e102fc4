using k8s.Models;

namespace AiFabric.LocalCluster.Node.Probes;

/// <summary>Which of the three.</summary>
internal enum ProbeKind
{
    Startup,
    Liveness,
    Readiness,
}

/// <summary>The probes of one run of a container: which are due, and what they say together. Used by one thread at a time.</summary>
internal sealed class ContainerProbes
{
    private readonly Dictionary<ProbeKind, V1Probe> _probes = [];
    private readonly Dictionary<ProbeKind, ProbeState> _states = [];
    private readonly HashSet<ProbeKind> _inFlight = [];

    /// <param name="container">The container.</param>
    /// <param name="startedAt">When this run started.</param>
    /// <param name="wasStarted">An adopted container that had passed its startup probe need not pass it again.</param>
    /// <param name="wasReady">An adopted container that was ready stays so until a probe fails.</param>
    public ContainerProbes(V1Container container, DateTimeOffset startedAt, bool wasStarted = false, bool wasReady = false)
    {
        Add(ProbeKind.Startup, container.StartupProbe, startedAt, wasStarted);
        Add(ProbeKind.Liveness, container.LivenessProbe, startedAt, false);
        Add(ProbeKind.Readiness, container.ReadinessProbe, startedAt, wasReady);
    }

    public ProbeVerdict Verdict
    {
        get
        {
            bool started = Passing(ProbeKind.Startup) != false && (Passing(ProbeKind.Startup) ?? !_probes.ContainsKey(ProbeKind.Startup));
            bool ready = started && (Passing(ProbeKind.Readiness) ?? !_probes.ContainsKey(ProbeKind.Readiness));
            string? failure = FailureOf(ProbeKind.Startup) ?? (started ? FailureOf(ProbeKind.Liveness) : null);
            return new ProbeVerdict(started, ready, failure);
        }
    }

    /// <summary>The probes to run now; each counts as running until <see cref="Observe"/> is called for it.</summary>
    public IReadOnlyList<(ProbeKind Kind, V1Probe Probe)> TakeDue(DateTimeOffset now)
    {
        bool started = Verdict.Started;
        List<(ProbeKind, V1Probe)> due = [];
        foreach ((ProbeKind kind, V1Probe probe) in _probes)
        {
            bool itsTurn = kind == ProbeKind.Startup ? !started : started;
            if (itsTurn && now >= _states[kind].NextAt && _inFlight.Add(kind))
            {
                due.Add((kind, probe));
            }
        }

        return due;
    }

    public void Observe(ProbeKind kind, bool success, string? message, DateTimeOffset now)
    {
        _inFlight.Remove(kind);
        _states[kind] = _states[kind].Observe(_probes[kind], success, message, now);
    }

    private void Add(ProbeKind kind, V1Probe? probe, DateTimeOffset startedAt, bool passing)
    {
        if (probe is not null)
        {
            _probes[kind] = probe;
            _states[kind] = ProbeState.Begin(probe, startedAt) with { Passing = passing ? true : null };
        }
    }

    private bool? Passing(ProbeKind kind) => _states.TryGetValue(kind, out ProbeState? state) ? state.Passing : null;

    private string? FailureOf(ProbeKind kind) =>
        _states.TryGetValue(kind, out ProbeState? state) && state.Passing == false ? $"failed {kind.ToString().ToLowerInvariant()} probe: {state.Message}" : null;
}
