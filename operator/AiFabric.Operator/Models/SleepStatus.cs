using System.Globalization;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>The conditions of a model that its own <c>scaling</c> has at zero replicas. Pure.</summary>
/// <remarks>
/// Ready is true, for a request is answered: the gateways hold it and a replica is started. It is false when no gateway would hold it, and when the
/// model was last seen to fail in this revision: that nobody asks for it does not mend it.
/// </remarks>
internal static class SleepStatus
{
    private static readonly HashSet<string> Failures =
        [Reasons.ModelLoadFailed, Reasons.CrashLoopBackOff, Reasons.ImagePullBackOff, Reasons.OutOfMemory, Reasons.PodsRefused];

    /// <param name="conditions">Where to set them.</param>
    /// <param name="observed">What was known.</param>
    /// <param name="plan">What was decided: no replicas.</param>
    /// <param name="alive">Pods that were not told to end yet.</param>
    public static void Set(ConditionSet conditions, ModelObservation observed, ModelPlan plan, int alive)
    {
        Check failed = LastFailure(observed.Model, plan.Revision);
        Check gateways = observed.Scale?.Complete ?? Check.Pass;
        Check gone = alive == 0
            ? Check.Pass
            : Check.Fail(Reasons.RollingOut, string.Create(CultureInfo.InvariantCulture, $"{alive} pods run, none is wanted while nobody asks"));
        conditions.Set(
            CoServedModelConditions.Ready, Check.FirstFailure([plan.Refusal, plan.Refused, failed, gone, gateways]), Reasons.ScaledToZero,
            "no replica runs while nobody asks; the gateways hold the next request and a replica is started for it");
        conditions.Set(
            CoServedModelConditions.ModelLoaded,
            Check.FirstFailure([failed, Check.Fail(Reasons.ScaledToZero, "no replica runs, so no weights are loaded")]), Reasons.Loaded, string.Empty);
        conditions.Set(
            CoServedModelConditions.WorkloadsReady, Check.FirstFailure([plan.Refusal, plan.Refused, failed, gone]), Reasons.ScaledToZero,
            "no replica is wanted while nobody asks");
        conditions.Set(
            CoServedModelConditions.RouterReady, Check.FirstFailure([gateways]), Reasons.ScaledToZero,
            "every gateway holds the next request until it routes to a replica");
    }

    private static Check LastFailure(CoServedModel model, string? revision)
    {
        V1Condition? loaded = model.Status?.Conditions?.FirstOrDefault(condition => condition.Type == CoServedModelConditions.ModelLoaded);
        return loaded is { Status: ConditionStatus.False } && Failures.Contains(loaded.Reason) && model.Status?.Revision == revision
            ? Check.Fail(loaded.Reason, loaded.Message)
            : Check.Pass;
    }
}
