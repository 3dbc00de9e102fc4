using System.CommandLine;
using AiFabric.Cli.Fabric;
using AiFabric.Kube;
using k8s;

namespace AiFabric.Cli.Verbs;

/// <summary>Options that several verbs take. Each verb makes its own, for options belong to one command.</summary>
internal static class SharedOptions
{
    public static Option<string> DataDir() => new("--data-dir")
    {
        Description = "Folder of the local fabric's state.",
        DefaultValueFactory = _ => FabricPaths.DefaultRoot,
    };

    public static Option<string?> Namespace() => new("--namespace", "-n")
    {
        Description = "Namespace of the objects. Default: that of the kubeconfig's context, else default.",
    };

    public static Option<string?> Kubeconfig() => new("--kubeconfig")
    {
        Description = "Kubeconfig file. Default: KUBECONFIG, else the local fabric's if one is there, else as kubectl.",
    };

    public static Option<string> Gateway() => new("--gateway")
    {
        Description = "Base address of the gateway. Default: AIFABRIC_GATEWAY, else the running local fabric's.",
        DefaultValueFactory = _ => DefaultGateway(Environment.GetEnvironmentVariable("AIFABRIC_GATEWAY"), new FabricPaths(FabricPaths.DefaultRoot).RunningPorts()),
    };

    /// <summary>Where the gateway is taken to be.</summary>
    /// <param name="variable">The variable AIFABRIC_GATEWAY.</param>
    /// <param name="running">The ports of the running local fabric; null when none runs.</param>
    public static string DefaultGateway(string? variable, FabricPorts? running) =>
        variable is { Length: > 0 } ? variable : $"http://127.0.0.1:{(running ?? FabricPorts.Default).Gateway}";

    /// <summary>The gateway's address.</summary>
    /// <exception cref="CliException">It is no http or https URL.</exception>
    public static Uri GatewayAddress(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
            ? address
            : throw new CliException($"the gateway's address is '{text}'; it must be a URL such as {DefaultGateway(null, null)}");

    /// <summary>The namespace that is meant: the one named, else that of the kubeconfig's context.</summary>
    public static string SpaceOf(string? named, KubernetesClientConfiguration configuration) =>
        named ?? (configuration.Namespace is { Length: > 0 } space ? space : "default");

    /// <summary>The cluster a verb talks to.</summary>
    /// <exception cref="CliException">No cluster is known.</exception>
    public static KubernetesClientConfiguration Configuration(string? kubeconfig) =>
        Configuration(kubeconfig, Environment.GetEnvironmentVariable("KUBECONFIG"), new FabricPaths(FabricPaths.DefaultRoot));

    /// <param name="kubeconfig">The file that the command line names; null for none.</param>
    /// <param name="variable">The variable KUBECONFIG.</param>
    /// <param name="local">The local fabric.</param>
    /// <exception cref="CliException">No cluster is known, or it is the local fabric's and that does not run.</exception>
    public static KubernetesClientConfiguration Configuration(string? kubeconfig, string? variable, FabricPaths local)
    {
        try
        {
            if (kubeconfig is not null)
                return KubeConfig.FromFile(kubeconfig);
            if (variable is { Length: > 0 } || !File.Exists(local.Kubeconfig))
                return KubeConfig.Load();
            return local.IsRunning()
                ? KubeConfig.FromFile(local.Kubeconfig)
                : throw new CliException($"the local fabric of {local.Root} does not run; 'aifabric up' starts it, KUBECONFIG or --kubeconfig names another cluster");
        }
        catch (Exception e) when (e is InvalidOperationException or FileNotFoundException or k8s.Exceptions.KubeConfigException)
        {
            throw new CliException($"{e.Message} 'aifabric up' starts a local fabric.");
        }
    }
}
