using k8s.Models;

namespace AiFabric.Cluster.Tests.LocalCluster.Node;

/// <summary>Builds pods that run shell scripts; names only what a test is about.</summary>
internal static class Pod
{
    public static V1Pod Script(string name, string script, string restartPolicy = "Always", Action<V1Container>? container = null, Action<V1PodSpec>? spec = null)
    {
        var main = new V1Container { Name = "main", Image = "shell", Command = ["/bin/sh", "-c", script] };
        container?.Invoke(main);
        var pod = new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = name },
            Spec = new V1PodSpec { Containers = [main], RestartPolicy = restartPolicy, TerminationGracePeriodSeconds = 5 },
        };
        spec?.Invoke(pod.Spec);
        return pod;
    }

    /// <summary>The main container's status; an empty one before the node has told any.</summary>
    public static V1ContainerStatus MainContainer(this V1Pod pod) =>
        pod.Status?.ContainerStatuses?.Single(c => c.Name == "main") ?? new V1ContainerStatus { State = new V1ContainerState(), LastState = new V1ContainerState() };

    /// <summary>The process number of the main container.</summary>
    public static int Process(this V1Pod pod) => int.Parse(pod.MainContainer().ContainerID["process://".Length..], System.Globalization.CultureInfo.InvariantCulture);
}
