using AiFabric.LocalCluster.Controllers.Events;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Jobs;

/// <summary>Job → Pods.</summary>
internal sealed class JobController(
    IClusterApi api, EventRecorder events, ControllerOptions options, TimeProvider time, ILogger<JobController> logger)
    : Controller(api, time, logger)
{
    protected override IReadOnlyList<WatchedType> Watches { get; } =
    [
        new("batch", "jobs", item => [ObjectKey.Of(item)]),
        new("", "pods", item => ObjectKey.OfOwner(item, V1Job.KubeKind)),
    ];

    protected override TimeSpan? Reconcile(ObjectKey key)
    {
        if (Api.Get<V1Job>(key.Namespace, key.Name) is not { Metadata.DeletionTimestamp: null } job)
        {
            return null;
        }

        JobPlan plan = JobPlanner.Plan(job, Api.OwnedBy<V1Pod>(key.Namespace, job.Metadata.Uid), options.JobBackoff, Now);
        if (plan.Remove)
        {
            Api.Delete(job, new DeleteRequest { Uid = job.Metadata.Uid });
            return null;
        }

        Announce(job, plan);
        for (int i = 0; i < plan.Create; i++)
        {
            V1Pod pod = Api.Create(PodFactory.From(job, job.Spec.Template, $"{job.Metadata.Name}-"));
            events.Normal(job, "SuccessfulCreate", $"Created pod: {pod.Metadata.Name}");
        }

        foreach (V1Pod pod in plan.Delete)
        {
            Api.Delete(pod);
            events.Normal(job, "SuccessfulDelete", $"Deleted pod: {pod.Metadata.Name}");
        }

        Api.WriteStatus(job, plan.Status);
        return plan.CheckAfter;
    }

    private void Announce(V1Job job, JobPlan plan)
    {
        foreach (V1JobCondition ended in plan.Status?.Conditions?.Where(c => c.Type is "Complete" or "Failed") ?? [])
        {
            if (job.Status?.Conditions?.Any(c => c.Type == ended.Type) != true)
            {
                Action<V1Job, string, string, string?> record = ended.Type == "Complete" ? events.Normal : events.Warning;
                record(job, ended.Type == "Complete" ? "Completed" : ended.Reason, ended.Type == "Complete" ? "Job completed" : ended.Message, null);
            }
        }
    }
}
