using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
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
        Model(observed.Job, observed.Model),
        AdapterName(observed.Job, observed.Adapter, observed.Rival),
    ]) ?? Check.Pass;

    private static Check Spec(FinetuneObservation observed)
    {
        string[] broken = [.. observed.Violations.Concat(observed.Changes).Select(violation => violation.ToString())];
        return broken.Length == 0 ? Check.Pass : Check.Fail(Reasons.InvalidSpec, string.Join("; ", broken));
    }

    /// <summary>Whether the model is there and takes the job.</summary>
    public static Check Model(FinetuneJob job, CoServedModel? found)
    {
        string name = job.Spec.ModelRef.Name;
        if (found is not { } model)
            return Check.Fail(Reasons.ModelNotFound, $"CoServedModel {name} does not exist");
        if (model.Spec.CoServing?.MaxFinetuneTokensPerIteration == 0)
            return Check.Fail(Reasons.FinetuningForbidden, $"CoServedModel {name} has coServing.maxFinetuneTokensPerIteration 0");
        if (model.Spec.Lora?.MaxAdapters == 0)
            return Check.Fail(Reasons.FinetuningForbidden, $"CoServedModel {name} has lora.maxAdapters 0, so the adapter could not be served");
        if (job.Spec.Method == FinetuneMethod.IA3)
            return Check.Pass; // It has no rank.
        int rank = job.Spec.Lora?.Rank ?? DefaultRank;
        int maxRank = model.Spec.Lora?.MaxRank ?? DefaultMaxRank;
        return rank <= maxRank
            ? Check.Pass
            : Check.Fail(Reasons.RankTooLarge, $"lora.rank {rank} exceeds lora.maxRank {maxRank} of CoServedModel {name}");
    }

    /// <summary>An Adapter of the name may be there only if this job, or one of its name before it, made it for this model.</summary>
    public static Check AdapterName(FinetuneJob job, Adapter? found, string? rival)
    {
        string name = job.Spec.Output.AdapterName;
        if (rival is not null)
            return Check.Fail(Reasons.AdapterNameTaken, $"FinetuneJob {rival} came first with output.adapterName {name}");
        if (found is not { } adapter)
            return Check.Pass;
        string? maker = adapter.Metadata.Labels is { } labels && labels.TryGetValue(Labels.FinetuneJob, out string? value) ? value : null;
        if (maker != job.Metadata.Name)
            return Check.Fail(Reasons.AdapterNameTaken, $"Adapter {name} exists and is not this job's: choose another output.adapterName, or delete it");
        return adapter.Spec.ModelRef.Name == job.Spec.ModelRef.Name
            ? Check.Pass
            : Check.Fail(Reasons.AdapterNameTaken, $"Adapter {name} exists for CoServedModel {adapter.Spec.ModelRef.Name}: delete it first");
    }

    /// <summary>The unfinished job among <paramref name="jobs"/> of the same namespace that claimed the Adapter's name first; null for none.</summary>
    public static string? Rival(FinetuneJob job, IEnumerable<FinetuneJob> jobs) => jobs
        .Where(other => other.Metadata.Uid != job.Metadata.Uid && other.Metadata.DeletionTimestamp is null
            && other.Spec.Output.AdapterName == job.Spec.Output.AdapterName && !FinetunePlanner.IsTerminal(other) && IsOlder(other, job))
        .Select(other => other.Metadata.Name)
        .Order(StringComparer.Ordinal)
        .FirstOrDefault();

    private static bool IsOlder(FinetuneJob other, FinetuneJob job) =>
        (other.Metadata.CreationTimestamp ?? DateTime.MaxValue).CompareTo(job.Metadata.CreationTimestamp ?? DateTime.MaxValue) switch
        {
            < 0 => true,
            0 => string.CompareOrdinal(other.Metadata.Uid, job.Metadata.Uid) < 0,
            _ => false,
        };
}
