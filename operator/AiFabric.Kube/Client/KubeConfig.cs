using k8s;

namespace AiFabric.Kube;

/// <summary>Finds the API server and the credentials for it.</summary>
public static class KubeConfig
{
    /// <summary>
    /// The files that <c>KUBECONFIG</c> names; else the pod's service account; else <c>~/.kube/config</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">None of them is there, or <c>KUBECONFIG</c> names no existing file.</exception>
    /// <exception cref="k8s.Exceptions.KubeConfigException">A file was found but is not a usable kubeconfig.</exception>
    public static KubernetesClientConfiguration Load()
    {
        string? variable = Environment.GetEnvironmentVariable("KUBECONFIG");
        if (!string.IsNullOrWhiteSpace(variable))
        {
            string[] files = variable.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
            if (!files.Any(File.Exists))
                throw new InvalidOperationException($"KUBECONFIG names '{variable}', but no such file exists; correct it or unset it.");
            return KubernetesClientConfiguration.BuildDefaultConfig();
        }
        if (KubernetesClientConfiguration.IsInCluster())
            return KubernetesClientConfiguration.InClusterConfig();
        string home = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".kube", "config");
        if (File.Exists(home))
            return FromFile(home);
        throw new InvalidOperationException($"No API server is known: set KUBECONFIG, run in a pod, or write {home}.");
    }

    /// <summary>The current context of one kubeconfig file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static KubernetesClientConfiguration FromFile(string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no kubeconfig at '{path}'.", path);
        return KubernetesClientConfiguration.BuildConfigFromConfigFile(path);
    }
}
