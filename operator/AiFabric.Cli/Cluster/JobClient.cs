using System.Runtime.CompilerServices;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace AiFabric.Cli.Cluster;

/// <summary>How a job ended.</summary>
public sealed record JobEnd(bool Succeeded, string Reason, string Message);

/// <summary>Creates and follows FinetuneJobs.</summary>
public sealed class JobClient : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private readonly KubernetesClient _client;

    private JobClient(KubernetesClient client) => _client = client;

    public IKubernetesClient Kubernetes => _client;

    public static JobClient Create(KubernetesClientConfiguration configuration) =>
        new(new KubernetesClient(configuration, new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance));

    public void Dispose() => _client.Dispose();

    /// <summary>The job again and again until it ended or is gone.</summary>
    public async IAsyncEnumerable<FinetuneJob> FollowAsync(FinetuneJob job, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await _client.GetAsync<FinetuneJob>(job.Metadata.Name, job.Metadata.NamespaceProperty, cancellationToken) is { } now)
        {
            yield return now;
            if (Ended(now) is not null)
                yield break;
            await Task.Delay(Interval, cancellationToken);
        }
    }

    /// <summary>What keeps <paramref name="job"/> from training now, such as a model that is not there; null when nothing does or nobody has looked at it yet.</summary>
    public static V1Condition? Obstacle(FinetuneJob job) =>
        job.Status.Conditions?.FirstOrDefault(c => c is { Type: FinetuneJobConditions.Running, Status: "False" });

    /// <summary>The end of <paramref name="job"/>; null while it goes on.</summary>
    public static JobEnd? Ended(FinetuneJob job) =>
        job.Status.Conditions?.FirstOrDefault(c => c.Status == "True" && c.Type is FinetuneJobConditions.Complete or FinetuneJobConditions.Failed) is { } end
            ? new JobEnd(end.Type == FinetuneJobConditions.Complete, end.Reason, end.Message)
            : null;
}
