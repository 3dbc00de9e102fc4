namespace AiFabric.LocalCluster.Controllers;

/// <summary>Settings of the embedded controllers.</summary>
public sealed class ControllerOptions
{
    /// <summary>Delay before a job's pod is replaced after the first failure; doubles up to six minutes.</summary>
    public TimeSpan JobBackoff { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Whether connections to a service's cluster IP are forwarded to its ready pods.</summary>
    public bool ProxyServices { get; set; } = true;
}
