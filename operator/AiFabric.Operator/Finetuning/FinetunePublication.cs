using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Adapters;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Storage;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using k8s.Models;

namespace AiFabric.Operator.Finetuning;

/// <summary>Turns a session that succeeded into an Adapter. Pure.</summary>
internal static class FinetunePublication
{
    public static FinetunePlan Plan(FinetuneObservation observed, FinetuneTimes times, WorkerPod pod, TrainingStatus session)
    {
        Adapter wanted = Adapter(observed, pod, session);
        if (observed.Adapter?.Metadata.DeletionTimestamp is not null)
        {
            // What is written into it goes with it, and the job would be complete without an Adapter.
            return new FinetunePlan(FinetuneStep.Wait)
            {
                Pod = pod,
                Session = session,
                Problem = Check.Fail(Reasons.AdapterPending, $"Adapter {wanted.Metadata.Name} is being deleted; it is made anew once it is gone"),
                LookAgain = times.Steady,
            };
        }
        bool isThere = observed.Adapter is { } live && live.Spec.Source.Uri == wanted.Spec.Source.Uri && live.Spec.Digest == wanted.Spec.Digest;
        return new FinetunePlan(FinetuneStep.Publish)
        {
            Pod = pod,
            Session = session,
            Adapter = isThere ? null : wanted,
            Problem = Check.Fail(Reasons.AdapterPending, $"Adapter {wanted.Metadata.Name} is about to be made"),
        };
    }

    /// <summary>No ownerReference: the Adapter outlives the job.</summary>
    private static Adapter Adapter(FinetuneObservation observed, WorkerPod pod, TrainingStatus session)
    {
        FinetuneJob job = observed.Job;
        var adapter = new Adapter
        {
            Metadata = new V1ObjectMeta
            {
                Name = job.Spec.Output.AdapterName,
                NamespaceProperty = job.Metadata.NamespaceProperty,
                Labels = new Dictionary<string, string>
                {
                    [Labels.FinetuneJob] = job.Metadata.Name,
                    [Labels.AppManagedBy] = OwnedMetadata.ManagedBy,
                },
                Finalizers = [AdapterFinalizer.Name],
            },
            Spec = new AdapterSpec
            {
                ModelRef = new LocalReference { Name = job.Spec.ModelRef.Name },
                Source = new AdapterSource { Uri = Source(observed, pod, session) },
                Digest = session.AdapterDigest,
            },
        };
        // Born with what its controller would else write as its first two changes.
        adapter.Metadata.Annotations = new Dictionary<string, string> { [AcceptedSpec.Annotation] = AcceptedSpec.Describe(AdapterRules.All, adapter) };
        return adapter;
    }

    /// <summary>
    /// The place as the job declared it, so that any pod that mounts the claim finds it, with what the worker was sent behind it.
    /// </summary>
    private static string? Source(FinetuneObservation observed, WorkerPod pod, TrainingStatus session)
    {
        StorageUri? declared = FinetunePaths.Declared(observed.Job, observed.Data);
        string? sent = declared?.WorkerUri(pod.Spec, writable: false);
        if (declared is null || sent is null || session.AdapterUri is not { } made)
            return session.AdapterUri ?? FinetunePaths.Output(observed.Job, observed.Data)?.ToString();
        if (made.TrimEnd('/') == sent)
            return declared.ToString();
        return made.StartsWith(sent + "/", StringComparison.Ordinal) ? declared.Below(made[(sent.Length + 1)..].TrimEnd('/')).ToString() : made;
    }
}
