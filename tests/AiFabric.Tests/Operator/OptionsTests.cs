using System.ComponentModel.DataAnnotations;
using AiFabric.Operator;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class OptionsTests
{
    [Fact]
    public void The_defaults_are_sound() => Assert.Empty(Problems(new OperatorOptions()));

    [Fact]
    public void A_setting_that_cannot_work_is_named()
    {
        (string Named, OperatorOptions Options)[] table =
        [
            ("DataUri", new() { DataUri = "ftp://bucket" }),
            ("DataUri", new() { DataUri = "hf://org/name" }),
            ("ModelCache", new() { ModelCache = new() { HostPath = "/a", ClaimName = "b" } }),
            ("HostPath", new() { ModelCache = new() { HostPath = "a" } }),
            ("ClaimName", new() { ModelCache = new() { ClaimName = "A_B" } }),
            ("SizeLimit", new() { ModelCache = new() { SizeLimit = "much" } }),
            ("GatewaySelector", new() { GatewaySelector = "app!=x" }),
            ("GatewaySelector", new() { GatewaySelector = "," }),
            ("no http(s) URL", new() { ListenUrl = "localhost:1" }),
            ("no http(s) URL", new() { GatewayUrls = { "gateway:80" } }),
            ("GatewayUrls", new() { Namespace = "team" }),
            ("GatewayPort", new() { GatewayPort = 0 }),
            ("ControlToken", new() { ControlToken = "short" }),
            ("WorkerTemplateFile", new() { WorkerTemplateFile = "/no/such/file" }),
            ("PublicUrl", new() { PublicUrl = "nowhere" }),
            ("Webhooks:Port", new() { Webhooks = { Port = 70_000 } }),
            ("Webhooks:ServiceName", new() { Webhooks = { ServiceName = "a.b" } }),
            ("Webhooks:Namespace", new() { Webhooks = { Namespace = string.Empty } }),
            ("Webhooks:SecretName", new() { Webhooks = { SecretName = "Not_a_name" } }),
            ("Webhooks:ValidatingConfiguration", new() { Webhooks = { ValidatingConfiguration = "x/y" } }),
            ("Webhooks:MutatingConfiguration", new() { Webhooks = { MutatingConfiguration = string.Empty } }),
            ("Webhooks:ExtraNames", new() { Webhooks = { ExtraNames = { "https://x" } } }),
        ];
        foreach ((string named, OperatorOptions options) in table)
            Assert.Contains(named, Assert.Single(Problems(options)), StringComparison.Ordinal);
        Assert.Empty(Problems(new OperatorOptions { Namespace = "team", GatewayUrls = { "http://gateway:8080" } }));
    }

    [Theory]
    [InlineData("app.kubernetes.io/component=gateway,app.kubernetes.io/instance=aifabric,app.kubernetes.io/name=aifabric", null, "aifabric-worker,aifabric-function,aifabric")] // the chart's
    [InlineData("app.kubernetes.io/component=gateway", null, null)]
    [InlineData("app.kubernetes.io/component=gateway", "http://gateway:8080", "aifabric-worker,aifabric-function")]
    public void Pods_of_others_are_not_kept_in_memory(string gateways, string? url, string? names)
    {
        var options = new OperatorOptions { GatewaySelector = gateways };
        if (url is not null)
            options.GatewayUrls.Add(url);
        Assert.Equal(names is null ? null : $"app.kubernetes.io/name in ({names})", options.GetPodSelector());
    }

    [Theory]
    [InlineData("spec: {nodeSelector: {gpu: h100}}", null)]
    [InlineData("spec: {nodeSelektor: {gpu: h100}}", "nodeSelektor")]
    [InlineData("spec: [", "cannot be read")]
    [InlineData("", "is empty")]
    [InlineData("spec: {containers: [{name: worker, args: [serve]}]}", "spec.containers[worker]: args must be left out")]
    [InlineData("metadata: {labels: {aifabric.io/model: mine}}", "metadata.labels: aifabric.io/model must be left out")]
    [InlineData("spec: {restartPolicy: Never}", "spec.restartPolicy: must be Always")]
    public void A_template_file_is_read_strictly(string yaml, string? problem)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, yaml);
            var options = new OperatorOptions { WorkerTemplateFile = path };
            if (problem is null)
            {
                Assert.Empty(Problems(options));
                Assert.Equal("h100", options.GetPodSettings().Template?.Spec.NodeSelector["gpu"]);
                return;
            }
            string message = Assert.Single(Problems(options));
            Assert.StartsWith($"Operator:WorkerTemplateFile '{path}'", message, StringComparison.Ordinal);
            Assert.Contains(problem, message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static List<string> Problems(OperatorOptions options)
    {
        var found = new List<ValidationResult>();
        Validator.TryValidateObject(options, new ValidationContext(options), found, validateAllProperties: true);
        return [.. found.Select(problem => problem.ErrorMessage ?? string.Empty)];
    }
}
