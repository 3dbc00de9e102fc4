using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Storage;
using AiFabric.Protocol.Control;
using k8s.Models;

namespace AiFabric.Operator.Adapters;

/// <summary>Decides which replicas have to load an adapter. Pure.</summary>
internal static class AdapterPlanner
{
    public static AdapterPlan Plan(AdapterObservation observed)
    {
        if (observed.Violations.Count > 0)
            return Refuse(Reasons.InvalidSpec, string.Join("; ", observed.Violations));
        if (observed.Model is null)
            return Refuse(Reasons.ModelNotFound, $"CoServedModel {observed.Adapter.Spec.ModelRef.Name} does not exist");
        if (observed.Adapter.Spec.Source.FinetuneJobRef is { } reference && JobProblem(reference.Name, observed.Job) is { } problem)
            return new AdapterPlan { Refusal = problem };
        string? source = observed.Adapter.Spec.Source.Uri ?? observed.JobOutput;
        if (!StorageUri.TryParse(source, out StorageUri? uri, out string? error))
            return Refuse(Reasons.InvalidSpec, $"spec.source: {error}");
        string? digest = observed.Adapter.Spec.Digest ?? observed.Job?.Status?.AdapterDigest;

        var loads = new List<AdapterLoad>();
        var settled = new List<AdapterOutcome>();
        foreach (AdapterReplica replica in observed.Replicas)
        {
            if (replica.Error is { } silence)
                settled.Add(new(replica.Pod, Check.Fail(Reasons.WorkerUnreachable, silence)));
            else if (uri.WorkerUri(replica.Pod.Spec, writable: false) is not { } file)
                settled.Add(new(replica.Pod, NotMounted(replica, uri)));
            else if (IsLoaded(replica, new AdapterRequest { Uri = file, Digest = digest }))
                settled.Add(new(replica.Pod, Check.Pass));
            else
                loads.Add(new(replica.Pod, new AdapterRequest { Uri = file, Digest = digest }));
        }
        return new AdapterPlan { Loads = loads, Settled = settled };
    }

    /// <summary>
    /// A replica is done that holds the right digest, of whatever content where none is wanted, from the right place. Of the place only what this
    /// operator sent to that process tells: after its own restart it sends again, which changes nothing on the worker.
    /// </summary>
    private static bool IsLoaded(AdapterReplica replica, AdapterRequest wanted) =>
        replica.LoadedDigest is { } digest && replica.Sent == wanted && (wanted.Digest ?? digest) == digest;

    private static Check? JobProblem(string name, FinetuneJob? job)
    {
        if (job is null)
            return Check.Fail(Reasons.JobNotFound, $"FinetuneJob {name} does not exist");
        V1Condition? failed = Condition(job, FinetuneJobConditions.Failed);
        if (failed?.Status == ConditionStatus.True)
            return Check.Fail(Reasons.JobFailed, $"FinetuneJob {name} failed: {failed.Message}");
        return Condition(job, FinetuneJobConditions.Complete)?.Status == ConditionStatus.True
            ? null
            : Check.Fail(Reasons.JobNotComplete, $"FinetuneJob {name} is not complete yet");
    }

    private static V1Condition? Condition(FinetuneJob job, string type) =>
        job.Status?.Conditions?.FirstOrDefault(condition => condition.Type == type);

    private static Check NotMounted(AdapterReplica replica, StorageUri uri) => Check.Fail(
        Reasons.VolumeNotMounted, $"pod {replica.Pod.Name} does not mount the claim of {uri}: add it to the model's spec.template");

    private static AdapterPlan Refuse(string reason, string message) => new() { Refusal = Check.Fail(reason, message) };
}
