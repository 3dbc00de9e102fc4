using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Finetuning;

/// <summary>Gathers what is known of a job: from the caches and the model's workers.</summary>
internal sealed class FinetuneObserver(
    WorkerPods pods, IStore<CoServedModel> models, IStore<Adapter> adapters, IStore<FinetuneJob> jobs, IWorkerClient workers,
    FinetuneMemory memory, IOptions<OperatorOptions> options, TimeProvider time)
{
    /// <summary>How often replicas are asked for sessions that should not be there.</summary>
    private static readonly TimeSpan SweepPeriod = TimeSpan.FromSeconds(15);

    public async Task<FinetuneObservation> ObserveAsync(FinetuneJob job, CancellationToken cancellationToken)
    {
        string space = job.Metadata.NamespaceProperty;
        DateTimeOffset now = time.GetUtcNow();
        bool isOver = FinetunePlanner.IsTerminal(job);
        IReadOnlyList<FinetuneReplica> replicas = isOver ? [] : await AskAsync(job, now, cancellationToken);
        bool isSilent = replicas.Any(replica => replica.Pod.Name == job.Status?.Pod && replica is { Error: not null, Pod.Ready: true });
        return new FinetuneObservation
        {
            Job = job,
            Now = now,
            Data = options.Value.GetData(),
            Violations = FinetuneRules.All.Check(job),
            Changes = AcceptedSpec.Changes(FinetuneRules.All, job),
            Model = models.Get(space, job.Spec.ModelRef.Name),
            Replicas = replicas,
            Adapter = adapters.Get(space, job.Spec.Output.AdapterName),
            Rival = isOver ? null : FinetuneChecks.Rival(job, jobs.Making(new(space, job.Spec.Output.AdapterName))),
            SentTo = memory.SentTo(job),
            SilentSince = isOver ? null : memory.Silent(job, isSilent, now),
            Refusals = memory.Refusals(job),
            RetryAt = memory.RetryAt(job),
        };
    }

    /// <summary>
    /// Asks the replica the job runs on (even one that is not ready: it may train all the same). Only when that has no session, and now and
    /// then, all others are asked too.
    /// </summary>
    private async Task<IReadOnlyList<FinetuneReplica>> AskAsync(FinetuneJob job, DateTimeOffset now, CancellationToken cancellationToken)
    {
        IReadOnlyList<WorkerPod> all = pods.Of(job.Metadata.NamespaceProperty, job.Spec.ModelRef.Name);
        WorkerPod? own = all.FirstOrDefault(pod => pod.Name == job.Status?.Pod && !pod.Terminating && !string.IsNullOrEmpty(pod.Ip));
        FinetuneReplica? first = own is null ? null : await AskOwnAsync(own, job.Metadata.Uid, cancellationToken);
        bool sweep = memory.IsSweepDue(job, now, SweepPeriod);
        if (first?.Session is not null && !sweep)
            return [first];
        FinetuneReplica[] others = await Task.WhenAll(
            all.Where(pod => pod.Reachable && pod.Uid != own?.Uid).Select(pod => AskLoadAsync(pod, job.Metadata.Uid, cancellationToken)));
        return [.. others.Concat(first is null ? [] : [first]).OrderBy(replica => replica.Pod.Name, StringComparer.Ordinal)];
    }

    private async Task<FinetuneReplica> AskOwnAsync(WorkerPod pod, string uid, CancellationToken cancellationToken)
    {
        WorkerReply<TrainingStatus> reply = await workers.GetTrainingAsync(pod, uid, cancellationToken);
        bool answered = reply.Outcome is WorkerOutcome.Ok or WorkerOutcome.NotFound;
        return new FinetuneReplica(pod, reply.Value, Error: answered ? null : reply.Message ?? "no answer");
    }

    private async Task<FinetuneReplica> AskLoadAsync(WorkerPod pod, string uid, CancellationToken cancellationToken)
    {
        WorkerReply<LoadReport> reply = await workers.GetLoadAsync(pod, cancellationToken);
        return new FinetuneReplica(
            pod, reply.Value?.Training.FirstOrDefault(session => session.Uid == uid), reply.Value, reply.IsOk ? null : reply.Message ?? "no answer");
    }
}
