using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Kube;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>
/// A real control plane to which only Helm brings the custom resource definitions. It has no nodes: pods of the release's namespace are reported ready
/// as soon as they exist, so that <c>--wait</c> has something to wait for.
/// </summary>
public sealed class ChartCluster : IAsyncLifetime
{
    public const string Namespace = "aifabric-system";

    private readonly string? _missing = ControlPlane.Missing();
    private readonly CancellationTokenSource _stop = new();
    private Task _kubelet = Task.CompletedTask;
    private ControlPlane? _plane;

    /// <summary>The control plane; skips the test visibly on a machine that has no binaries for one.</summary>
    public ControlPlane Plane
    {
        get
        {
            Assert.SkipUnless(_missing is null, _missing ?? "");
            return _plane!; // It started, or the fixture would have failed.
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (_missing is not null)
            return;
        _plane = await ControlPlane.StartAsync(new ControlPlaneOptions { ApplyCustomResourceDefinitions = false });
        _kubelet = RunKubeletAsync(_plane.Client);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _kubelet;
        _stop.Dispose();
        if (_plane is not null)
            await _plane.DisposeAsync();
    }

    private async Task RunKubeletAsync(IKubernetesClient client)
    {
        try
        {
            while (true)
            {
                foreach (V1Pod pod in await client.ListAsync<V1Pod>(Namespace, cancellationToken: _stop.Token))
                {
                    if (pod.Metadata.DeletionTimestamp is null && pod.Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) != true)
                        await ReportAsync(client, pod);
                }
                await Task.Delay(100, _stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The fixture's end.
        }
    }

    private async Task ReportAsync(IKubernetesClient client, V1Pod pod)
    {
        pod.Status = new V1PodStatus
        {
            Phase = "Running",
            PodIP = "127.0.0.1",
            Conditions = [new V1PodCondition { Type = "Ready", Status = "True", LastTransitionTime = DateTime.UnixEpoch }],
        };
        try
        {
            await client.UpdateStatusAsync(pod, _stop.Token);
        }
        catch (KubernetesApiException e) when (e.IsConflict || e.IsNotFound)
        {
            // The scheduler wrote, or the pod went: the next look sees.
        }
    }
}

/// <summary>The tests on that cluster, one after another: they install the same release.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChartClusterTests : ICollectionFixture<ChartCluster>
{
    public const string Name = "Chart on a real cluster";
}
