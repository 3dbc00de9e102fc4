using System.CommandLine;
using AiFabric.Cli.Fabric;
using AiFabric.Kube;
using k8s;

namespace AiFabric.Cli.Verbs;

/// <summary>Options that several verbs take. Each verb makes its own, for options belong to one command.</summary>
internal static class SharedOptions
{
    public const string DefaultGateway = "http://127.0.0.1:8080";

    public static Option<string> DataDir() => new("--data-dir")
    {
        Description = "Folder of the local fabric's state.",
        DefaultValueFactory = _ => FabricPaths.DefaultRoot,
    };

    public static Option<string> Namespace() => new("--namespace", "-n")
    {
        Description = "Namespace of the objects.",
        DefaultValueFactory = _ => "default",
    };

    public static Option<string?> Kubeconfig() => new("--kubeconfig")
    {
        Description = "Kubeconfig file. Default: KUBECONFIG, else the local fabric's if one is there, else as kubectl.",
    };

    public static Option<string> Gateway() => new("--gateway")
    {
        Description = "Base address of the gateway.",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("AIFABRIC_GATEWAY") is { Length: > 0 } set ? set : DefaultGateway,
    };

    /// <summary>The cluster a verb talks to.</summary>
    /// <exception cref="CliException">No cluster is known.</exception>
    public static KubernetesClientConfiguration Configuration(string? kubeconfig)
    {
        string local = new FabricPaths(FabricPaths.DefaultRoot).Kubeconfig;
        try
        {
            if (kubeconfig is not null)
                return KubeConfig.FromFile(kubeconfig);
            return Environment.GetEnvironmentVariable("KUBECONFIG") is null or "" && File.Exists(local) ? KubeConfig.FromFile(local) : KubeConfig.Load();
        }
        catch (Exception e) when (e is InvalidOperationException or FileNotFoundException or k8s.Exceptions.KubeConfigException)
        {
            throw new CliException($"{e.Message} 'aifabric up' starts a local fabric.");
        }
    }
}
