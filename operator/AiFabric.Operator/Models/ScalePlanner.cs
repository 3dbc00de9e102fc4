using System.Globalization;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;

namespace AiFabric.Operator.Models;

/// <summary>All that decides how many replicas a model with <c>scaling</c> has.</summary>
internal sealed record ScaleInput
{
    public required ScalingSpec Spec { get; init; }

    /// <summary>Replicas that are wanted now: those of the Deployment; for a new model, its lower bound.</summary>
    public required int Running { get; init; }

    public required ModelDemandSum Demand { get; init; }

    /// <summary>Fails when a gateway did not tell its demand.</summary>
    public required Check Complete { get; init; }

    /// <summary>A FinetuneJob runs on the model, or waits for it.</summary>
    public bool HasJob { get; init; }

    public ScaleHistory History { get; init; } = ScaleHistory.Empty;

    public required DateTimeOffset Now { get; init; }
}

/// <summary>How many replicas there should be, and why.</summary>
/// <param name="Replicas">Wanted now.</param>
/// <param name="Active">Whether the demand decides; its reason and message are the condition's in either case.</param>
/// <param name="Reason">Why there are so many.</param>
/// <param name="Message">The same for people. It holds no number that moves with the demand.</param>
/// <param name="Cause">What a change is explained by.</param>
/// <param name="History">To be remembered.</param>
internal sealed record ScalePlan(int Replicas, bool Active, string Reason, string Message, string Cause, ScaleHistory History);

/// <summary>
/// Replicas by demand. Pure. (1) What the demand asks for; (2) with an answer missing, or after a gap, no less than what runs: unknown demand must not
/// end a replica; (3) the highest such number of the scale-down delay counts; (4) growth is bounded; (5) so are the replicas.
/// </summary>
internal static class ScalePlanner
{
    /// <summary>Growth is bounded over so long, as Kubernetes' autoscaler bounds it by default: to the double, or by four.</summary>
    public static readonly TimeSpan GrowthPeriod = TimeSpan.FromSeconds(15);

    private const int GrowthStep = 4;

    /// <summary>When nobody looked for so long, what happened meanwhile is unknown and the scale-down delay starts again.</summary>
    public static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(10);

    /// <summary>A model is in use until so long after its last request, however short that was.</summary>
    private static readonly TimeSpan InUse = TimeSpan.FromSeconds(5);

    /// <summary>Part of a replica's target that may be exceeded before another is started.</summary>
    private const double Tolerance = 0.1;

    private const int DefaultTarget = 32;
    private const int DefaultDelaySeconds = 300;

    public static ScalePlan Plan(ScaleInput input)
    {
        (int min, int max) = Bounds(input.Spec);
        TimeSpan delay = TimeSpan.FromSeconds(input.Spec.ScaleDownDelaySeconds ?? DefaultDelaySeconds);
        int asked = Math.Max(Asked(input), input.HasJob ? 1 : 0);
        bool isSure = input.Complete.Holds && input.Now - input.History.LastAt <= LongestGap;
        int recommended = isSure ? asked : Math.Max(asked, input.Running);
        ScaleHistory history = input.History.With(input.Now, recommended, input.Running, delay > GrowthPeriod ? delay : GrowthPeriod);
        int wanted = history.Highest(input.Now - delay);
        int reachable = Math.Min(wanted, Reachable(input, history));
        int replicas = Math.Clamp(reachable, min, max);

        (string reason, string message) =
            !input.Complete.Holds ? (input.Complete.Reason, input.Complete.Message + "; no replica is taken away meanwhile")
            : wanted > max ? (Reasons.LimitedByMax, Text($"the demand asks for more than maxReplicas {max}"))
            : reachable < wanted ? (Reasons.LimitedByRate, "the demand asks for more replicas than may be started at once")
            : replicas == 0 ? (Reasons.ScaledToZero, "nobody asks; the gateways hold the next request and a replica is started for it")
            : input.HasJob && replicas == 1 && min == 0 ? (Reasons.NeededByFinetuneJob, "a FinetuneJob of this model needs a replica")
            : (Reasons.DemandWithinTarget, Text($"replicas follow the demand between {min} and {max}, {Target(input.Spec)} requests each"));
        string cause = Text($"{input.Demand.Requests} requests now ({input.Demand.Held} held), {input.Demand.Average:0.0} on average, {Target(input.Spec)} each");
        return new ScalePlan(replicas, input.Complete.Holds, reason, message, cause, history);
    }

    /// <summary>The replicas of a model before anything is known of its demand.</summary>
    public static int Initial(ScalingSpec spec) => Bounds(spec).Min;

    private static (int Min, int Max) Bounds(ScalingSpec spec)
    {
        int min = spec.MinReplicas ?? 1;
        return (min, Math.Max(min, spec.MaxReplicas ?? min));
    }

    private static int Target(ScalingSpec spec) => spec.TargetRequests ?? DefaultTarget;

    private static int Asked(ScaleInput input)
    {
        // Held requests need a replica now; others are served meanwhile, and their average says whether the load stays.
        double requests = input.Demand.Held > 0 ? Math.Max(input.Demand.Requests, input.Demand.Average) : input.Demand.Average;
        int byLoad = (int)Math.Min(int.MaxValue, Math.Ceiling((requests / Target(input.Spec)) - Tolerance));
        return Math.Max(byLoad, input.Demand.Requests > 0 || input.Demand.Idle < InUse ? 1 : 0);
    }

    private static int Reachable(ScaleInput input, ScaleHistory history)
    {
        int from = Math.Min(input.Running, history.Lowest(input.Now - GrowthPeriod) ?? input.Running);
        return Math.Max(input.Running, (int)Math.Min(int.MaxValue, Math.Max(2L * from, (long)from + GrowthStep)));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
