namespace AiFabric.Kube;

/// <summary>Something the host starts once and that runs until cancelled.</summary>
internal interface IRunnable
{
    Task RunAsync(CancellationToken cancellationToken);
}
