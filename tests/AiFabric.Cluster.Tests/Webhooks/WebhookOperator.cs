using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Kube;
using AiFabric.Operator.Hosting;
using AiFabric.Operator.Webhooks.Certificates;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace AiFabric.Cluster.Tests.Webhooks;

/// <summary>
/// The operator with its webhooks in this process, and webhook configurations that reach it by URL (a control plane without nodes routes to no
/// Service) for the namespaces with a label of their own.
/// </summary>
internal sealed class WebhookOperator : IAsyncDisposable
{
    private const string Label = "aifabric.io/webhook-tests";

    private readonly ControlPlane _plane;
    private readonly CertificateTimes _times;
    private readonly int _port = FreePort();
    private WebApplication? _app;

    private WebhookOperator(ControlPlane plane, string name, CertificateTimes times)
    {
        (_plane, Name, _times) = (plane, name, times);
        Http = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, seen, _, _) => IsServed(seen) } });
    }

    /// <summary>Of the namespace, the Secret and both configurations.</summary>
    public string Name { get; }

    public KeyRing Ring => _app!.Services.GetRequiredService<ServedCertificate>().Ring!;

    /// <summary>Takes the certificate that the operator says it serves, and no other.</summary>
    public HttpClient Http { get; }

    public Uri Uri => new($"https://127.0.0.1:{_port}");

    public Uri Health { get; } = new($"http://127.0.0.1:{FreePort()}");

    /// <summary>Makes namespace and configurations, starts the operator and waits until the API server trusts it.</summary>
    public static async Task<WebhookOperator> StartAsync(ControlPlane plane, string name, string failurePolicy = "Fail", CertificateTimes? times = null)
    {
        var made = new WebhookOperator(plane, name, times ?? CertificateTimes.Default);
        await plane.Client.CreateAsync(new V1Namespace
        {
            Metadata = new V1ObjectMeta { Name = name, Labels = new Dictionary<string, string> { [Label] = name } },
        });
        await made.InstallAsync(failurePolicy);
        await made.StartAsync();
        return made;
    }

    public async Task StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Operator:ListenUrl"] = Health.ToString(),
            ["Operator:GatewayUrls:0"] = "http://127.0.0.1:1",
            ["Operator:Webhooks:Enabled"] = "true",
            ["Operator:Webhooks:Port"] = _port.ToString(CultureInfo.InvariantCulture),
            ["Operator:Webhooks:Namespace"] = Name,
            ["Operator:Webhooks:SecretName"] = Name,
            ["Operator:Webhooks:ValidatingConfiguration"] = Name,
            ["Operator:Webhooks:MutatingConfiguration"] = Name,
            ["Operator:Webhooks:ExtraNames:0"] = "127.0.0.1",
        });
        builder.Services.AddSingleton(KubeConfig.FromFile(_plane.Kubeconfig));
        builder.Services.AddSingleton(_times);
        _app = OperatorHost.Build(builder);
        await _app.StartAsync();
        await WaitAsync(IsReadyAsync, "the operator to be ready");
        await WaitAsync(IsTrustedAsync, "both configurations to trust the operator");
    }

    public async Task StopAsync()
    {
        if (_app is { } app)
        {
            await app.StopAsync();
            await app.DisposeAsync();
        }
        _app = null;
    }

    /// <summary>Applies both configurations as an installer would, without a caBundle.</summary>
    public async Task InstallAsync(string failurePolicy)
    {
        var selector = new V1LabelSelector { MatchLabels = new Dictionary<string, string> { [Label] = Name } };
        await _plane.Client.ApplyAsync(
            new V1ValidatingWebhookConfiguration
            {
                Metadata = new V1ObjectMeta { Name = Name },
                Webhooks =
                [
                    .. Plurals.Select(plural => new V1ValidatingWebhook
                    {
                        Name = plural + ".validate.aifabric.io",
                        ClientConfig = Url("validate", plural),
                        Rules = [Rule(plural, "CREATE", "UPDATE")],
                        FailurePolicy = failurePolicy,
                        NamespaceSelector = selector,
                        SideEffects = "None",
                        TimeoutSeconds = 5,
                        AdmissionReviewVersions = ["v1"],
                    }),
                ],
            },
            "installer");
        await _plane.Client.ApplyAsync(
            new V1MutatingWebhookConfiguration
            {
                Metadata = new V1ObjectMeta { Name = Name },
                Webhooks =
                [
                    new V1MutatingWebhook
                    {
                        Name = "finetunejobs.default.aifabric.io",
                        ClientConfig = Url("default", "finetunejobs"),
                        Rules = [Rule("finetunejobs", "CREATE")],
                        FailurePolicy = failurePolicy,
                        NamespaceSelector = selector,
                        SideEffects = "None",
                        TimeoutSeconds = 5,
                        AdmissionReviewVersions = ["v1"],
                    },
                ],
            },
            "installer");
    }

    public static async Task WaitAsync(Func<Task<bool>> condition, string what)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromSeconds(60))
                Assert.Fail("Waited 60 s in vain for " + what);
            await Task.Delay(50);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _plane.Client.DeleteAsync<V1ValidatingWebhookConfiguration>(Name);
        await _plane.Client.DeleteAsync<V1MutatingWebhookConfiguration>(Name);
        await _plane.Client.DeleteAsync<V1Namespace>(Name);
        await StopAsync();
        Http.Dispose();
    }

    private bool IsServed(X509Certificate? seen)
    {
        using X509Certificate2 served = Ring.Open();
        return seen?.GetCertHashString() == served.GetCertHashString();
    }

    private static readonly string[] Plurals = ["coservedmodels", "adapters", "finetunejobs", "pipelines"];

    private async Task<bool> IsReadyAsync()
    {
        using HttpResponseMessage ready = await Http.GetAsync(new Uri(Health, "readyz"));
        return ready.StatusCode == HttpStatusCode.OK;
    }

    /// <summary>The bundle is there, and the custom-resource server, which learns of it by a watch, uses it.</summary>
    private async Task<bool> IsTrustedAsync()
    {
        Said said = await Shell.TryAsync(
            "kubectl", ["create", "--dry-run=server", "--validate=false", "-f", "-"], _plane.ClientEnvironment(),
            $$"""
            {"apiVersion":"aifabric.io/v1alpha1","kind":"FinetuneJob","metadata":{"name":"probe","namespace":"{{Name}}"},
             "spec":{"modelRef":{"name":"x"},"dataset":{"uri":"file:///x"} } }
            """);
        return said.ExitCode == 0;
    }

    private Admissionregistrationv1WebhookClientConfig Url(string path, string plural) => new() { Url = new Uri(Uri, $"{path}/{plural}").ToString() };

    private static V1RuleWithOperations Rule(string plural, params string[] operations) => new()
    {
        ApiGroups = ["aifabric.io"],
        ApiVersions = ["v1alpha1"],
        Operations = operations,
        Resources = [plural],
        Scope = "Namespaced",
    };

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
