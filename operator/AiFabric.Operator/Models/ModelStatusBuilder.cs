using System.Globalization;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Models;

/// <summary>Says of a model what was observed, and nothing more. Pure.</summary>
internal static class ModelStatusBuilder
{
    /// <summary>The objective counts as met when this share of tokens is within it.</summary>
    private const double WantedAttainment = 0.95;

    public static CoServedModelStatus Build(ModelObservation observed, ModelPlan plan, string? publicUrl, DateTimeOffset now)
    {
        CoServedModel model = observed.Model;
        WorkerPod[] alive = [.. observed.Pods.Where(pod => !pod.Terminating)];
        // What is refused has no revision of its own: pods are told by the one that was last accepted.
        string? revision = plan.Revision ?? model.Status?.Revision;
        WorkerPod[] updated = [.. alive.Where(pod => pod.Revision == revision)];
        var conditions = new ConditionSet(model.Status?.Conditions, model.Metadata.Generation, now);
        var facts = new Facts(observed, plan, alive, updated);

        if (plan is { Replicas: 0, Scale: not null })
            SleepStatus.Set(conditions, observed, plan, alive.Length);
        else
            SetReadiness(conditions, facts, plan);
        SetScaling(conditions, plan.Scale);
        SetFinetuning(conditions, observed);
        SetSlo(conditions, observed);
        TrafficStatus.Set(conditions, observed, plan);

        return new CoServedModelStatus
        {
            ObservedGeneration = model.Metadata.Generation,
            Replicas = alive.Length,
            UpdatedReplicas = updated.Count(pod => pod.PodReady && observed.Gateways.Routes(pod)),
            ReadyReplicas = alive.Count(pod => pod.PodReady && observed.Gateways.Routes(pod)),
            Selector = string.Join(',', OwnedMetadata.SelectorOf(model).Select(label => $"{label.Key}={label.Value}")),
            Revision = revision,
            Url = publicUrl is null
                ? $"http://{ModelPlanner.ServiceName(model)}.{model.Metadata.NamespaceProperty}.svc:{Crds.Common.Ports.ServingNumber}/v1"
                : publicUrl.TrimEnd('/') + "/v1",
            Conditions = conditions.ToList(),
        };
    }

    private static void SetReadiness(ConditionSet conditions, Facts facts, ModelPlan plan)
    {
        conditions.Set(
            CoServedModelConditions.Ready, Check.FirstFailure([facts.Accepted(), facts.Scaled(), facts.Loaded(), facts.RolledOut(), facts.Routed()]),
            Reasons.Serving, Count(plan.Replicas, "replica is", "replicas are") + " loaded and routed to");
        conditions.Set(
            CoServedModelConditions.ModelLoaded, Check.FirstFailure([facts.Scaled(), facts.Loaded()]), Reasons.Loaded,
            "every replica has its weights loaded and warmed up");
        conditions.Set(
            CoServedModelConditions.WorkloadsReady, Check.FirstFailure([facts.Accepted(), facts.Scaled(), facts.Loaded(), facts.RolledOut()]),
            Reasons.AllReplicasReady, "every replica runs the current revision");
        conditions.Set(
            CoServedModelConditions.RouterReady, Check.FirstFailure([facts.Scaled(), facts.Routed()]), Reasons.Routed,
            "every gateway routes to every replica");
    }

    private static void SetScaling(ConditionSet conditions, ScalePlan? scale)
    {
        if (scale is null)
            conditions.Remove(CoServedModelConditions.ScalingActive);
        else
            conditions.Set(CoServedModelConditions.ScalingActive, ConditionStatus.Of(scale.Active), scale.Reason, scale.Message);
    }

    private static void SetFinetuning(ConditionSet conditions, ModelObservation observed)
    {
        int active = observed.Loads.Values.Sum(load => load.Training.Count(session => session.State is TrainingState.Starting or TrainingState.Running));
        if (active > 0)
        {
            conditions.Set(
                CoServedModelConditions.FinetuningActive, ConditionStatus.True, Reasons.Training,
                Count(active, "session trains", "sessions train") + " beside inference");
        }
        else
        {
            conditions.Set(CoServedModelConditions.FinetuningActive, ConditionStatus.False, Reasons.NoTraining, "no finetuning session is running");
        }
    }

    private static void SetSlo(ConditionSet conditions, ModelObservation observed)
    {
        double[] attained = [.. observed.Loads.Values.Select(load => load.TpotAttainment).OfType<double>()];
        string objective = string.Create(
            CultureInfo.InvariantCulture,
            $"{WantedAttainment * 100:0}% of tokens within {observed.Model.Spec.Slo?.TpotMilliseconds ?? 100} ms over the last minute");
        if (attained.Length == 0)
            conditions.Set(CoServedModelConditions.SloMet, ConditionStatus.Unknown, Reasons.NoTraffic, "no replica served tokens in the last minute");
        else if (attained.Min() >= WantedAttainment)
            conditions.Set(CoServedModelConditions.SloMet, ConditionStatus.True, Reasons.ObjectiveMet, $"every replica keeps {objective}");
        else
            conditions.Set(CoServedModelConditions.SloMet, ConditionStatus.False, Reasons.ObjectiveMissed, $"a replica does not keep {objective}");
    }

    private static string Count(int number, string one, string many) =>
        string.Create(CultureInfo.InvariantCulture, $"{number} {(number == 1 ? one : many)}");

    /// <summary>The checks, each answering one question.</summary>
    private readonly record struct Facts(ModelObservation Observed, ModelPlan Plan, WorkerPod[] Alive, WorkerPod[] Updated)
    {
        /// <summary>Whether the spec holds, and the API server took what was made of it.</summary>
        public Check Accepted() => Check.FirstFailure([Plan.Refusal, Plan.Refused]) ?? Check.Pass;

        public Check Scaled() => Plan.Replicas > 0 ? Check.Pass : Check.Fail(Reasons.ScaledToZero, "no replicas are wanted");

        /// <summary>Whether as many replicas as wanted have loaded the current revision.</summary>
        public Check Loaded()
        {
            if (Updated.Length == 0)
                return Creation() ?? Check.Fail(Reasons.NoPods, "no pod of the current revision exists yet");
            if (Updated.Count(pod => pod.Ready) >= Plan.Replicas)
                return Check.Pass;
            return LoadingChecks.Of(Updated, Observed.Loadings)
                ?? (Updated.Length < Plan.Replicas ? Creation() : null)
                ?? Check.Fail(Reasons.Loading, $"{Updated.Count(pod => pod.Ready)} of {Count(Plan.Replicas, "replica", "replicas")} loaded");
        }

        /// <summary>Why there are no more pods, if the API server refuses them.</summary>
        private Check? Creation() => PodProblem.OfCreation(Observed.Deployment) is { } refused ? Check.Fail(refused.Reason, refused.Message) : null;

        /// <summary>Whether nothing of another revision, and nothing too many, is left.</summary>
        public Check RolledOut()
        {
            if (Alive.Length == Updated.Length && Updated.Length == Plan.Replicas)
                return Check.Pass;
            string progress = $"{Updated.Length} of {Count(Alive.Length, "pod", "pods")} run the current revision, {Plan.Replicas} wanted";
            ModelObservation observed = Observed;
            Check waits = Updated.Where(pod => pod.Ready && pod.Gated && !pod.Routable).Select(pod => RoutableGate.Routed(pod, observed))
                .FirstOrDefault(check => !check.Holds, Check.Pass);
            return Check.Fail(Reasons.RollingOut, waits.Holds ? progress : $"{progress}: {waits.Message}");
        }

        public Check Routed()
        {
            Check answering = Observed.Gateways.Answering();
            if (!answering.Holds)
                return answering;
            int routed = 0;
            foreach (WorkerPod pod in Updated)
                routed += Observed.Gateways.Routes(pod) ? 1 : 0;
            if (routed < Plan.Replicas)
                return Check.Fail(Reasons.NotRouted, $"the gateways route to {routed} of {Count(Plan.Replicas, "replica", "replicas")}");
            if (Updated.FirstOrDefault(pod => !pod.PodReady) is { } closed)
                return Check.Fail(Reasons.NotRouted, $"pod {closed.Name} is not marked as Ready yet");
            return Stale() is { } stale
                ? Check.Fail(Reasons.NotRouted, $"a gateway still routes to pod {stale}, which is gone, leaving or of another revision")
                : Check.Pass;
        }

        /// <summary>A pod that a gateway routes to and should not; null when there is none.</summary>
        private string? Stale()
        {
            (string, string)[] current = [.. Updated.Select(pod => (pod.Uid, pod.Revision))];
            CoServedModel model = Observed.Model;
            return Observed.Gateways.Replicas
                .SelectMany(gateway => gateway.RoutesTo(model.Metadata.NamespaceProperty, model.Metadata.Name))
                .FirstOrDefault(route => !current.Contains((route.PodUid, route.Revision)))?.Pod;
        }
    }
}
