namespace AiFabric.Kube;

/// <summary>Something outside of the API server that makes a controller look at objects.</summary>
public interface IWakeSource
{
    /// <summary>Runs as long as the controller does (with leader election: on the leader alone). It must not throw before it is cancelled.</summary>
    /// <param name="wake">Makes the controller look at an object soon.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    Task RunAsync(Action<NamespacedName> wake, CancellationToken cancellationToken);
}
