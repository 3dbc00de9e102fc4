namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>A process of the control plane.</summary>
/// <param name="Name">As in <c>NAME.pid</c> and <c>NAME.log</c> of its state folder.</param>
public readonly record struct Component(string Name)
{
    public static readonly Component ApiServer = new("kube-apiserver");
    public static readonly Component Etcd = new("etcd");
    public static readonly Component ControllerManager = new("kube-controller-manager");
    public static readonly Component Scheduler = new("kube-scheduler");

    /// <summary>Serves the custom resources behind the API server.</summary>
    public static readonly Component CustomResourceServer = new("modern");
}
