using System.Globalization;
using AiFabric.Cli.Cluster;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Cli.Demo;

/// <summary>Prints once a second what clients and workers saw, and keeps what the demo is judged by.</summary>
public sealed class Meter(IKubernetesClient kubernetes, HttpClient http, ChatLoad load, TimeProvider time, Action<string> say)
{
    /// <summary>Seconds in which inference and finetuning both advanced.</summary>
    public int SharedSeconds { get; private set; }

    /// <summary>The newest counters.</summary>
    public WorkerCounters Counters { get; private set; }

    /// <summary>Prints until the job ended.</summary>
    /// <returns>The job as it ended.</returns>
    /// <exception cref="CliException">The job was deleted.</exception>
    public async Task<FinetuneJob> RunAsync(JobClient jobs, FinetuneJob job, CancellationToken cancellationToken)
    {
        using var second = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        long started = time.GetTimestamp(), last = started, pieces = load.Pieces;
        Counters = await ReadAsync(cancellationToken);
        while (await second.WaitForNextTickAsync(cancellationToken))
        {
            FinetuneJob now = await jobs.Kubernetes.GetAsync<FinetuneJob>(job.Metadata.Name, job.Metadata.NamespaceProperty, cancellationToken)
                ?? throw new CliException($"{job.Metadata.Name} was deleted");
            WorkerCounters counters = await ReadAsync(cancellationToken);
            double seconds = time.GetElapsedTime(last).TotalSeconds;
            Print(time.GetElapsedTime(started), (load.Pieces - pieces) / seconds, (counters.FinetuneTokens - Counters.FinetuneTokens) / seconds, counters, now);
            (last, pieces, Counters) = (time.GetTimestamp(), load.Pieces, counters);
            if (JobClient.Ended(now) is not null)
                return now;
        }

        throw new OperationCanceledException(cancellationToken);
    }

    private void Print(TimeSpan elapsed, double inferenceRate, double finetuneRate, WorkerCounters counters, FinetuneJob job)
    {
        if (inferenceRate > 0 && finetuneRate > 0)
            SharedSeconds++;
        double[] gaps = [.. load.TakeGaps().Select(g => g.TotalMilliseconds).Order()];
        string tpot = gaps.Length == 0
            ? "TPOT -"
            : string.Create(CultureInfo.InvariantCulture, $"TPOT p50 {Percentile(gaps, 0.50),5:0.0} ms p95 {Percentile(gaps, 0.95),5:0.0} ms");
        FinetuneProgress? progress = job.Status.Progress;
        say(string.Create(
            CultureInfo.InvariantCulture,
            $"{elapsed.TotalSeconds,4:0} s | inference {inferenceRate,5:0} tok/s  {tpot} | finetuning {finetuneRate,6:0} tok/s  step {progress?.Step ?? 0}/{progress?.TotalSteps ?? 0}  loss {progress?.Loss ?? "-"} | co-served iterations {counters.CoServedIterations:0}"));
    }

    private static double Percentile(double[] sorted, double share) => sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))];

    private async Task<WorkerCounters> ReadAsync(CancellationToken cancellationToken)
    {
        var sum = default(WorkerCounters);
        foreach (V1Pod pod in await kubernetes.ListAsync<V1Pod>("default", Crds.Common.Labels.Model, cancellationToken))
        {
            if (pod.Status?.PodIP is { Length: > 0 } ip && pod.Metadata.DeletionTimestamp is null)
                sum += WorkerCounters.Parse(await http.GetStringAsync(new Uri($"http://{ip}:{Crds.Common.Ports.ServingNumber}/metrics"), cancellationToken));
        }

        return sum;
    }
}
