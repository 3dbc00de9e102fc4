using AiFabric.Crds.Common;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;

namespace AiFabric.Operator.Finetuning;

/// <summary>Whether a job can run at all. Pure.</summary>
internal static class FinetuneChecks
{
    private const int DefaultRank = 16;
    private const int DefaultMaxRank = 64;

    /// <summary>The first thing that stands in the way.</summary>
    public static Check Accept(FinetuneObservation observed) => Check.FirstFailure(
    [
        Spec(observed),
        Model(observed),
        AdapterName(observed),
    ]) ?? Check.Pass;

    private static Check Spec(FinetuneObservation observed)
    {
        string[] broken = [.. observed.Violations.Concat(observed.Changes).Select(violation => violation.ToString())];
        return broken.Length == 0 ? Check.Pass : Check.Fail(Reasons.InvalidSpec, string.Join("; ", broken));
    }

    private static Check Model(FinetuneObservation observed)
    {
        string name = observed.Job.Spec.ModelRef.Name;
        if (observed.Model is not { } model)
            return Check.Fail(Reasons.ModelNotFound, $"CoServedModel {name} does not exist");
        if (model.Spec.CoServing?.MaxFinetuneTokensPerIteration == 0)
            return Check.Fail(Reasons.FinetuningForbidden, $"CoServedModel {name} has coServing.maxFinetuneTokensPerIteration 0");
        if (model.Spec.Lora?.MaxAdapters == 0)
            return Check.Fail(Reasons.FinetuningForbidden, $"CoServedModel {name} has lora.maxAdapters 0, so the adapter could not be served");
        int rank = observed.Job.Spec.Lora?.Rank ?? DefaultRank;
        int maxRank = model.Spec.Lora?.MaxRank ?? DefaultMaxRank;
        return rank <= maxRank
            ? Check.Pass
            : Check.Fail(Reasons.RankTooLarge, $"spec.lora.rank {rank} exceeds lora.maxRank {maxRank} of CoServedModel {name}");
    }

    /// <summary>An Adapter of the name may be there only if this job, or one of its name before it, made it for this model.</summary>
    private static Check AdapterName(FinetuneObservation observed)
    {
        FinetuneJob job = observed.Job;
        string name = job.Spec.Output.AdapterName;
        if (observed.Rival is { } rival)
            return Check.Fail(Reasons.AdapterNameTaken, $"FinetuneJob {rival} came first with output.adapterName {name}");
        if (observed.Adapter is not { } adapter)
            return Check.Pass;
        string? maker = adapter.Metadata.Labels is { } labels && labels.TryGetValue(Labels.FinetuneJob, out string? value) ? value : null;
        if (maker != job.Metadata.Name)
            return Check.Fail(Reasons.AdapterNameTaken, $"Adapter {name} exists and is not this job's: choose another output.adapterName, or delete it");
        return adapter.Spec.ModelRef.Name == job.Spec.ModelRef.Name
            ? Check.Pass
            : Check.Fail(Reasons.AdapterNameTaken, $"Adapter {name} exists for CoServedModel {adapter.Spec.ModelRef.Name}: delete it first");
    }
}
