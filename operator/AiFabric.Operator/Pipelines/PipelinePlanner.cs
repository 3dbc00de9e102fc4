using AiFabric.Crds.Common;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Validation;
using k8s.Models;

namespace AiFabric.Operator.Pipelines;

/// <summary>Decides what a pipeline needs: a Deployment for each function stage. Pure.</summary>
internal static class PipelinePlanner
{
    /// <param name="observed">What is known.</param>
    /// <param name="restricted">Whether pods meet the restricted Pod Security Standard.</param>
    public static PipelinePlan Plan(PipelineObservation observed, bool restricted)
    {
        if (Refuse(observed) is { Holds: false } refusal)
            return new PipelinePlan { Refusal = refusal }; // What runs goes on running as it was last accepted.
        StageSpec[] functions = [.. observed.Pipeline.Spec.Stages.Where(stage => stage.FunctionRef is not null)];
        Dictionary<string, V1Deployment> wanted = functions.ToDictionary(
            stage => stage.Name, stage => JsonSubset.Stamp(FunctionTemplate.Deployment(observed.Pipeline, stage, restricted)));
        HashSet<string> names = [.. wanted.Values.Select(deployment => deployment.Metadata.Name)];
        return new PipelinePlan
        {
            Revisions = wanted.ToDictionary(entry => entry.Key, entry => entry.Value.Spec.Template.Metadata.Labels[Labels.Revision]),
            Deployments = [.. wanted.Values.Where(deployment => !JsonSubset.Holds(deployment, observed.Deployments.GetValueOrDefault(deployment.Metadata.Name)))],
            Stray = [.. observed.Owned.Where(deployment => !names.Contains(deployment.Metadata.Name))],
        };
    }

    /// <summary>The pipelines that lead from this one back to it; null when none do.</summary>
    /// <param name="pipeline">Where to begin.</param>
    /// <param name="known">Pipelines of the namespace, by name; this one's entry is not looked at.</param>
    public static string? Circle(Pipeline pipeline, IReadOnlyDictionary<string, Pipeline> known)
    {
        var seen = new HashSet<string>();
        var open = new Stack<(Pipeline Pipeline, string Way)>([(pipeline, pipeline.Metadata.Name)]);
        while (open.TryPop(out (Pipeline Pipeline, string Way) at))
        {
            foreach (string next in at.Pipeline.Spec.Stages.Select(stage => stage.PipelineRef?.Name).OfType<string>())
            {
                if (next == pipeline.Metadata.Name)
                    return $"{at.Way} → {next}";
                if (seen.Add(next) && known.TryGetValue(next, out Pipeline? other))
                    open.Push((other, $"{at.Way} → {next}"));
            }
        }
        return null;
    }

    private static Check Refuse(PipelineObservation observed)
    {
        if (observed.Violations.Count > 0)
            return Check.Fail(Reasons.InvalidSpec, string.Join("; ", observed.Violations));
        if (Circle(observed.Pipeline, observed.Pipelines) is { } circle)
            return Check.Fail(Reasons.InvalidSpec, $"spec.stages.pipelineRef: pipelines call each other in a circle: {circle}");
        foreach (StageSpec stage in observed.Pipeline.Spec.Stages.Where(stage => stage.FunctionRef is not null))
        {
            string name = PipelineRules.FullName(observed.Pipeline, stage);
            if (observed.Deployments.TryGetValue(name, out V1Deployment? live) && !IsOwned(observed.Pipeline, live))
                return Check.Fail(Reasons.NameTaken, $"a Deployment {name} that is not this pipeline's exists: delete it, or rename the stage");
        }
        return Check.Pass;
    }

    /// <summary>Whether the Deployment has this very pipeline as its controller.</summary>
    public static bool IsOwned(Pipeline pipeline, V1Deployment live) =>
        live.Metadata.OwnerReferences?.Any(owner => owner.Controller == true && owner.Uid == pipeline.Metadata.Uid) == true;
}
