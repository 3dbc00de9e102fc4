using AiFabric.Kube;
using k8s;
using Xunit;

namespace AiFabric.Tests.Kube;

public sealed class KubeConfigTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kubeconfig").FullName;
    private readonly string? _before = Environment.GetEnvironmentVariable("KUBECONFIG");

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("KUBECONFIG", _before);
        Directory.Delete(_folder, true);
    }

    [Fact]
    public void File_that_KUBECONFIG_names_comes_first_and_one_that_is_missing_is_named()
    {
        string path = Write();
        Environment.SetEnvironmentVariable("KUBECONFIG", path);
        KubernetesClientConfiguration configuration = KubeConfig.Load();
        Assert.Equal(("http://127.0.0.1:6443", "secret"), (configuration.Host.TrimEnd('/'), configuration.AccessToken));

        Environment.SetEnvironmentVariable("KUBECONFIG", path + ".missing");
        Assert.Contains(path + ".missing", Assert.Throws<InvalidOperationException>(KubeConfig.Load).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_file_can_be_named_outright()
    {
        Assert.Equal("secret", KubeConfig.FromFile(Write()).AccessToken);
        Assert.Throws<FileNotFoundException>(() => KubeConfig.FromFile(Path.Combine(_folder, "none")));
    }

    private string Write()
    {
        string path = Path.Combine(_folder, "config");
        File.WriteAllText(path, """
            apiVersion: v1
            kind: Config
            clusters: [{name: c, cluster: {server: "http://127.0.0.1:6443"}}]
            users: [{name: u, user: {token: secret}}]
            contexts: [{name: x, context: {cluster: c, user: u}}]
            current-context: x
            """);
        return path;
    }
}
