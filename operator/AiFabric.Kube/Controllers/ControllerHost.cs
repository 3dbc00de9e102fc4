using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiFabric.Kube;

/// <summary>Runs all controllers, behind leader election where that is on. A lost lease stops the application (exit code 1).</summary>
internal sealed class ControllerHost(
    IServiceProvider services, IEnumerable<ControllerRegistration> controllers, IKubernetesClient client, TimeProvider time,
    KubeMetrics metrics, IOptions<KubernetesOperatorOptions> options, IHostApplicationLifetime lifetime,
    ILogger<LeaderElector> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        LeaderElectionOptions election = options.Value.LeaderElection;
        if (!election.Enabled)
        {
            await RunControllersAsync(stoppingToken);
            return;
        }
        election.LeaseName ??= options.Value.Name;
        var elector = new LeaderElector(client, election, time, metrics, logger);
        if (await elector.RunAsync(RunControllersAsync, stoppingToken) == LeadershipEnd.Lost)
        {
            // A fresh process with fresh caches joins the election anew; that is simpler than to trust ours.
            Environment.ExitCode = 1;
            lifetime.StopApplication();
        }
    }

    private Task RunControllersAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(controllers.Select(controller => controller.Resolve(services).RunAsync(cancellationToken)));
}
