using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry;

/// <summary>
/// Empties namespaces that are being deleted and removes them once nothing is left: pods may take their grace period and objects with
/// finalizers wait for their controllers.
/// </summary>
internal sealed class NamespaceFinalizer(ClusterApi api, ObjectWriter writer, TimeProvider clock, ILogger<NamespaceFinalizer> log) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                foreach (var home in api.List(BuiltInTypes.Namespaces).Items.Where(home => home.Text("status", "phase") == "Terminating"))
                    Finalize(home.Text("metadata", "name")!);
            }
#pragma warning disable CA1031 // The top of a loop that must go on; what failed is logged and tried again.
            catch (Exception problem)
#pragma warning restore CA1031
            {
                Log.FinalizingFailed(log, problem);
            }
        }
    }

    private void Finalize(string ns)
    {
        var left = 0;
        foreach (var type in api.Types.Where(type => type.Namespaced).DistinctBy(EventShapes.Stored))
        {
            foreach (var found in api.List(type, ns).Items)
            {
                left++;
                if (found.Text("metadata", "deletionTimestamp") is null)
                    api.Delete(type, ns, found.Text("metadata", "name")!);
            }
        }

        if (left > 0)
            return;
        writer.Change(BuiltInTypes.Namespaces, null, ns, WithoutFinalizers, "finalize", new() { FieldManager = "namespace-finalizer" });
        Log.NamespaceGone(log, ns);
    }

    private static System.Text.Json.Nodes.JsonObject WithoutFinalizers(System.Text.Json.Nodes.JsonObject home)
    {
        home.Map("spec")?.Remove("finalizers");
        return home;
    }
}
