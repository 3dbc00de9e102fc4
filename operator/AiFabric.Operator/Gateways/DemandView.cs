using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Operator.Gateways;

/// <summary>What all gateways together were asked for one model.</summary>
/// <param name="Requests">Unfinished ones, those held included.</param>
/// <param name="Held">Of these, waiting for a worker.</param>
/// <param name="Average">Average of <paramref name="Requests"/> over the last seconds.</param>
/// <param name="Idle">Time since one was last under way; null for never.</param>
internal readonly record struct ModelDemandSum(int Requests, int Held, double Average, TimeSpan? Idle)
{
    public static ModelDemandSum None => default;

    public ModelDemandSum Plus(ModelDemand more)
    {
        TimeSpan? other = more.IdleSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        return new(
            Requests + more.Requests, Held + more.Held, Average + more.Average,
            Idle is { } mine && other is { } theirs ? (mine < theirs ? mine : theirs) : Idle ?? other);
    }
}

/// <summary>The demand for every model, as far as gateways answered.</summary>
/// <param name="Models">Sums by model; one that nobody asked for is missing.</param>
/// <param name="Complete">Fails when a gateway did not answer: then the sums are lower bounds.</param>
internal sealed record DemandView(IReadOnlyDictionary<NamespacedName, ModelDemandSum> Models, Check Complete)
{
    public ModelDemandSum Of(NamespacedName model) => Models.TryGetValue(model, out ModelDemandSum sum) ? sum : ModelDemandSum.None;

    /// <summary>Adds up what the replicas said.</summary>
    /// <param name="replicas">Name, report, and why there is none.</param>
    /// <param name="leaving">Reports of replicas that are being stopped. At its end each falls silent, which must not hold up scaling.</param>
    public static DemandView Sum(IReadOnlyList<(string Name, DemandReport? Report, string? Error)> replicas, params IReadOnlyList<DemandReport> leaving)
    {
        var sums = new Dictionary<NamespacedName, ModelDemandSum>();
        foreach (ModelDemand demand in replicas.Select(replica => replica.Report).OfType<DemandReport>().Concat(leaving).SelectMany(report => report.Models))
        {
            var key = new NamespacedName(demand.Namespace, demand.Model);
            sums[key] = sums.GetValueOrDefault(key).Plus(demand);
        }
        (string Name, DemandReport? Report, string? Error)[] silent = [.. replicas.Where(replica => replica.Report is null)];
        Check complete = replicas.Count == 0
            ? Check.Fail(Reasons.NoGateway, "no gateway is running, so nothing tells the demand")
            : silent.Length > 0
                ? Check.Fail(Reasons.GatewayUnreachable, $"gateway {silent[0].Name} does not tell its demand: {silent[0].Error}")
                : Check.Pass;
        return new DemandView(sums, complete);
    }
}
