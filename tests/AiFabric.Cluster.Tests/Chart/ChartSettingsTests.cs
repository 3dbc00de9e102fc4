using System.ComponentModel.DataAnnotations;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Gateway;
using AiFabric.Gateway.AsyncRuns;
using AiFabric.Operator;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>The chart sets only what operator and gateway know, to values that they take.</summary>
[Trait("Suite", "e2e")]
public sealed class ChartSettingsTests
{
    [Theory]
    [InlineData("default")]
    [InlineData("namespaced")]
    [InlineData("everything")]
    public async Task Operator_takes_all_its_settings(string name)
    {
        Dictionary<string, string?> settings = await SettingsAsync(name, "operator");
        using var folder = new TempFolder();
        if (settings.ContainsKey("Operator:WorkerTemplateFile"))
            settings["Operator:WorkerTemplateFile"] = await folder.WriteAsync(await WorkerTemplateAsync(name));
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();
        using ServiceProvider services = new ServiceCollection().AddSingleton(configuration).AddLogging().AddAiFabricOperator(configuration).BuildServiceProvider();
        OperatorOptions options = services.GetRequiredService<IOptions<OperatorOptions>>().Value; // Throws for what is unknown or wrong.
        Assert.True(options.LeaderElection);
        Assert.Equal(("aifabric-system", 8081), (options.GatewayNamespace, options.GatewayPort));
        Assert.Equal(name == "namespaced" ? "aifabric-system" : null, options.Namespace);
        Assert.Equal(name == "everything", settings.ContainsKey("Operator:WorkerTemplateFile"));
    }

    [Theory]
    [InlineData("default")]
    [InlineData("namespaced")]
    [InlineData("everything")]
    public async Task Gateway_takes_all_its_settings(string name)
    {
        string[] known = [.. typeof(GatewayOptions).GetProperties().Concat(typeof(RunOptions).GetProperties()).Select(property => property.Name)];
        Dictionary<string, string?> settings = await SettingsAsync(name, "gateway");
        Assert.Contains("Gateway:InternalListen", settings.Keys);
        Assert.All(settings.Keys.Where(key => key.StartsWith("Gateway:", StringComparison.Ordinal)), key => Assert.Contains(key["Gateway:".Length..], known));
        GatewayOptions options = new ConfigurationBuilder().AddInMemoryCollection(settings).Build().GetSection(GatewayOptions.Section).Get<GatewayOptions>()!; // There are some.
        Validator.ValidateObject(options, new ValidationContext(options), validateAllProperties: true);
        Assert.Equal(name == "everything" ? (20, 4096) : (50, 1024), (options.HoldSeconds, options.HeldRequests));
        RunOptions runs = new ConfigurationBuilder().AddInMemoryCollection(settings).Build().GetSection(GatewayOptions.Section).Get<RunOptions>()!; // There are some.
        Validator.ValidateObject(runs, new ValidationContext(runs), validateAllProperties: true);
        Assert.Equal(name == "everything" ? (true, 16, "pipeline-runs") : (false, 8, "aifabric-pipeline-runs"), (runs.HasRuns, runs.RunsConcurrent, runs.RunsTopic));
    }

    [Fact]
    public async Task Operator_looks_for_gateways_by_the_labels_that_gateway_pods_carry()
    {
        IReadOnlyList<Rendered> objects = await new Helm("3.17").TemplateAsync("--set", "nameOverride=fabric,fullnameOverride=f");
        string selector = (await SettingsAsync("everything", "operator"))["Operator:GatewaySelector"]!; // The chart always sets it.
        Assert.Contains("app.kubernetes.io/component=gateway", selector, StringComparison.Ordinal);
        Rendered gateway = objects.Single(document => document is { Kind: "Deployment", Name: "f-gateway" });
        Rendered operators = objects.Single(document => document is { Kind: "Deployment", Name: "f-operator" });
        foreach (string pair in Environment(operators)["Operator:GatewaySelector"]!.Split(','))
            Assert.Equal(pair.Split('=')[1], gateway.At("spec", "template", "metadata", "labels", pair.Split('=')[0]));
    }

    private static async Task<Dictionary<string, string?>> SettingsAsync(string name, string component) => Environment(
        (await ObjectsAsync(name)).Single(document => document.Kind == "Deployment" && document.Name.EndsWith("-" + component, StringComparison.Ordinal)));

    private static async Task<string> WorkerTemplateAsync(string name) =>
        (await ObjectsAsync(name)).Single(document => document.Name.EndsWith("-worker-template", StringComparison.Ordinal)).At("data", "template.yaml")!; // Rendered.

    private static Task<IReadOnlyList<Rendered>> ObjectsAsync(string name) =>
        new Helm("3.17").TemplateAsync("--values", Path.Combine(ControlPlane.Repository, "tests", "golden", "chart", name + ".values.yaml"));

    private static Dictionary<string, string?> Environment(Rendered deployment) =>
        ((YamlSequenceNode)deployment.Node("spec", "template", "spec", "containers", 0, "env")!).Children.Cast<YamlMappingNode>() // There is always some.
            .Where(variable => variable["name"].ToString().Contains("__", StringComparison.Ordinal))
            .ToDictionary(variable => variable["name"].ToString().Replace("__", ":", StringComparison.Ordinal), variable => (string?)variable["value"].ToString());

    private sealed class TempFolder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-chart-");

        public async Task<string> WriteAsync(string text)
        {
            string path = Path.Combine(_folder.FullName, "template.yaml");
            await File.WriteAllTextAsync(path, text);
            return path;
        }

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
