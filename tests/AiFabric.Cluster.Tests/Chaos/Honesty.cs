namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>How long a model's status told what was not so.</summary>
/// <param name="FalseReadySeconds">Ready was True while no gateway had a route to any worker that answers: every request would have failed.</param>
/// <param name="StaleSeconds">
/// <c>readyReplicas</c> was higher than the number of workers that answer. A kubelet takes a second or two to see that a process died; until it
/// says so no operator can know.
/// </param>
/// <param name="Samples">Looks that were taken.</param>
public readonly record struct Honesty(double FalseReadySeconds, double StaleSeconds, int Samples);
