using System.Diagnostics;
using System.Text;
using AiFabric.Cluster.Tests.RealCluster;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>An executable that runs as the chart would run it: with the settings of its Deployment and the token of its service account.</summary>
internal sealed class Account : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _log = new();

    private Account(Process process) => _process = process;

    public string Log
    {
        get
        {
            lock (_log)
                return _log.ToString();
        }
    }

    /// <param name="plane">Where the chart is installed.</param>
    /// <param name="space">Namespace of the release.</param>
    /// <param name="component"><c>operator</c> or <c>gateway</c>.</param>
    /// <param name="others">Settings that differ because there is no pod around the process.</param>
    public static async Task<Account> StartAsync(ControlPlane plane, string space, string component, IReadOnlyDictionary<string, string> others)
    {
        V1Deployment deployment = (await plane.Client.ListAsync<V1Deployment>(space, "app.kubernetes.io/component=" + component)).Single();
        string assembly = component == "operator" ? "AiFabric.Operator" : "AiFabric.Gateway";
        string configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)).Split('_')[0];
        var start = new ProcessStartInfo(Path.Combine(ControlPlane.Repository, "artifacts", "bin", assembly, configuration, assembly))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (V1EnvVar variable in deployment.Spec.Template.Spec.Containers.Single().Env)
            start.Environment[variable.Name] = variable.Value;
        foreach ((string name, string value) in others)
            start.Environment[name] = value;
        start.Environment["KUBECONFIG"] = await KubeconfigAsync(plane, space, deployment.Spec.Template.Spec.ServiceAccountName);
        var account = new Account(Process.Start(start)!); // Never null without a shell.
        account._process.OutputDataReceived += (_, line) => account.Take(line.Data);
        account._process.ErrorDataReceived += (_, line) => account.Take(line.Data);
        account._process.BeginOutputReadLine();
        account._process.BeginErrorReadLine();
        return account;
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    /// <summary>A kubeconfig with the account's token: a Secret on 1.20, where the TokenRequest API of <c>kubectl create token</c> is not known yet.</summary>
    private static async Task<string> KubeconfigAsync(ControlPlane plane, string space, string account)
    {
        V1Secret? secret = null;
        for (int attempt = 0; secret is null && attempt < 100; attempt++)
        {
            secret = (await plane.Client.ListAsync<V1Secret>(space)).FirstOrDefault(found => found.Type == "kubernetes.io/service-account-token"
                && found.Metadata.Annotations?["kubernetes.io/service-account.name"] == account && found.Data?.ContainsKey("token") == true);
            if (secret is null)
                await Task.Delay(100, TestContext.Current.CancellationToken);
        }
        Assert.True(secret is not null, $"the controllers made no token of {account}");
        string path = Path.Combine(plane.Folder, $"{space}-{account}.kubeconfig"), admin = await File.ReadAllTextAsync(plane.Kubeconfig);
        string[] lines = [.. admin.Split('\n').Select(line => line.StartsWith("users:", StringComparison.Ordinal)
            ? $"users: [{{name: admin, user: {{token: {Encoding.UTF8.GetString(secret.Data["token"])}}}}}]"
            : line)];
        await File.WriteAllLinesAsync(path, lines);
        return path;
    }

    private void Take(string? line)
    {
        lock (_log)
            _log.AppendLine(line);
    }
}
