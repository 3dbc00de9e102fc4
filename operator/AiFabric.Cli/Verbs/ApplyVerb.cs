using System.CommandLine;
using System.Text.Json.Nodes;
using AiFabric.Cli.Cluster;
using k8s;
using Spectre.Console;

namespace AiFabric.Cli.Verbs;

/// <summary><c>aifabric apply -f</c>, for machines without kubectl.</summary>
internal static class ApplyVerb
{
    public static Command Create()
    {
        var files = new Option<string[]>("--filename", "-f") { Description = "File, folder, or - for standard input.", Required = true };
        Option<string?> ns = SharedOptions.Namespace();
        Option<string?> kubeconfig = SharedOptions.Kubeconfig();
        var command = new Command("apply", "Applies manifests by server-side apply.") { files, ns, kubeconfig };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            KubernetesClientConfiguration configuration = SharedOptions.Configuration(parsed.GetValue(kubeconfig));
            string space = SharedOptions.SpaceOf(parsed.GetValue(ns), configuration);
            using var client = new ClusterClient(configuration);
            JsonObject[] entities = [.. parsed.GetRequiredValue(files).SelectMany(Manifests.Load)]; // before any is applied, all are read
            foreach (JsonObject entity in entities)
                AnsiConsole.WriteLine(await client.ApplyAsync(entity, space, cancellationToken) + " serverside-applied");
            return 0;
        });
        return command;
    }
}
