using System.Globalization;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using k8s.Models;

namespace AiFabric.Operator.Pipelines;

/// <summary>Says of a pipeline what was observed. Pure.</summary>
internal static class PipelineStatusBuilder
{
    public static PipelineStatus Build(PipelineObservation observed, PipelinePlan plan, DateTimeOffset now)
    {
        Pipeline pipeline = observed.Pipeline;
        var conditions = new ConditionSet(pipeline.Status?.Conditions, pipeline.Metadata.Generation, now);
        StageStatus[] stages = [.. pipeline.Spec.Stages.Select(stage => Stage(observed, plan, stage))];
        conditions.Set(PipelineConditions.Accepted, plan.Refusal.Holds ? null : plan.Refusal, Reasons.Accepted, "the stages fit together");
        StageStatus? missing = Array.Find(stages, stage => stage.Ready != true);
        conditions.Set(
            PipelineConditions.Ready,
            Check.FirstFailure(
            [
                plan.Refusal,
                .. plan.Refused.Values,
                missing is null ? Check.Pass : Check.Fail(Reasons.StageNotReady, $"stage {missing.Name}: {missing.Message}"),
                observed.Gateways.Answering(),
                observed.Gateways.Serves(pipeline)
                    ? Check.Pass
                    : Check.Fail(Reasons.NotRouted, "not every gateway serves the pipeline as it stands"),
            ]),
            Reasons.Serving, "every stage is ready, and every gateway serves it");
        return new PipelineStatus { ObservedGeneration = pipeline.Metadata.Generation, Stages = stages, Conditions = conditions.ToList() };
    }

    private static StageStatus Stage(PipelineObservation observed, PipelinePlan plan, StageSpec stage)
    {
        if (stage.FunctionRef is { } function)
            return Function(observed, plan, stage, function);
        string? problem = stage switch
        {
            { ModelRef: { } model } => Model(observed, model),
            { PipelineRef: { } other } => !observed.Pipelines.TryGetValue(other.Name, out Pipeline? nested)
                ? $"Pipeline {other.Name} does not exist"
                : IsTrue(nested.Status?.Conditions, PipelineConditions.Ready) ? null : $"Pipeline {other.Name} is not ready",
            _ => null,
        };
        return new StageStatus { Name = stage.Name, Ready = problem is null, Message = problem };
    }

    private static string? Model(PipelineObservation observed, ModelStageSpec reference)
    {
        if (!observed.Models.TryGetValue(reference.Name, out CoServedModel? model))
            return $"CoServedModel {reference.Name} does not exist";
        // One that sleeps while nobody asks is woken by the first request.
        bool sleeps = model.Spec.Scaling?.MinReplicas == 0
            && model.Status?.Conditions?.Any(condition => condition is { Type: CoServedModelConditions.Ready, Reason: Reasons.ScaledToZero }) == true;
        if (!sleeps && !IsTrue(model.Status?.Conditions, CoServedModelConditions.Ready))
            return $"CoServedModel {reference.Name} is not ready";
        if (reference.Adapter is not { } name)
            return null;
        if (!observed.Adapters.TryGetValue(name, out Adapter? adapter) || adapter.Spec.ModelRef.Name != reference.Name)
            return $"CoServedModel {reference.Name} has no Adapter {name}";
        return sleeps || IsTrue(adapter.Status?.Conditions, AdapterConditions.Ready) ? null : $"Adapter {name} is not ready";
    }

    private static StageStatus Function(PipelineObservation observed, PipelinePlan plan, StageSpec stage, FunctionSpec function)
    {
        int wanted = function.Replicas ?? 1;
        string? revision = plan.Revisions.GetValueOrDefault(stage.Name);
        V1Pod[] pods = [.. observed.Pods.Where(pod => pod.Metadata.Labels.TryGetValue(Labels.Stage, out string? name) && name == stage.Name
            && pod.Metadata.Labels.TryGetValue(Labels.Revision, out string? has) && has == revision)];
        V1Pod[] ready = [.. pods.Where(PodReadiness.MayServe)];
        int routed = ready.Count(pod => observed.Gateways.CallsFunction(observed.Pipeline, pod.Metadata.Uid));
        string deployment = PipelineRules.FullName(observed.Pipeline, stage);
        string? problem = plan.Refused.TryGetValue(deployment, out Check refused) ? refused.Message
            : ready.Length < wanted ? string.Create(CultureInfo.InvariantCulture, $"{ready.Length} of {wanted} replicas are ready{Because(pods, observed.Deployments.GetValueOrDefault(deployment))}")
            : routed < wanted ? string.Create(CultureInfo.InvariantCulture, $"the gateways call {routed} of {wanted} replicas")
            : null;
        return new StageStatus { Name = stage.Name, Ready = problem is null, Message = problem, ReadyReplicas = routed };
    }

    private static string Because(V1Pod[] pods, V1Deployment? deployment)
    {
        PodProblem? problem = pods.Select(PodProblem.Of).FirstOrDefault(found => found is not null) ?? PodProblem.OfCreation(deployment);
        return problem is null ? string.Empty : $": {problem.Message}";
    }

    private static bool IsTrue(IEnumerable<V1Condition>? conditions, string type) =>
        conditions?.Any(condition => condition.Type == type && condition.Status == ConditionStatus.True) == true;
}
