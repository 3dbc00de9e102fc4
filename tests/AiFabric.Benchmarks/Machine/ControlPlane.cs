using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace AiFabric.Benchmarks.Machine;

/// <summary>
/// A real control plane for one run, by the recipe of the cluster tests: etcd, API server, custom-resource server, controller manager. No
/// scheduler and no node: an actor plays those.
/// </summary>
internal sealed class ControlPlane : IAsyncDisposable
{
    /// <summary>The user whose requests the audit log tells.</summary>
    public const string OperatorUser = "aifabric-operator";

    /// <summary>The parts whose CPU time is told.</summary>
    public static readonly IReadOnlyList<string> Parts = ["kube-apiserver", "modern", "etcd", "kube-controller-manager"];

    // The controller manager's own limit of 20 requests a second would be all that is measured.
    private const string ControllerManagerArguments =
        "--kube-api-qps=1000 --kube-api-burst=2000 --concurrent-deployment-syncs=16 --concurrent-replicaset-syncs=16 "
        + "--concurrent-endpoint-syncs=8 --concurrent-service-endpoint-syncs=8";

    private const string AuditPolicy = $"""
        apiVersion: audit.k8s.io/v1
        kind: Policy
        omitStages: [RequestReceived, ResponseStarted]
        rules:
        - {"{"}level: Metadata, users: [{OperatorUser}]{"}"}
        - {"{"}level: None{"}"}
        """;

    private readonly string _recipe;
    private readonly Dictionary<string, string> _environment;

    private ControlPlane(string repository, string folder, int port)
    {
        _recipe = Path.Combine(repository, "tests", "AiFabric.Cluster.Tests", "kubernetes");
        Folder = folder;
        string arguments = $"--audit-policy-file={Path.Combine(folder, "audit-policy.yaml")} --audit-log-path={AuditFile} --audit-log-maxsize=4096 "
            + "--max-requests-inflight=1000 --max-mutating-requests-inflight=500";
        _environment = new Dictionary<string, string>
        {
            ["K8S_RUN"] = folder,
            ["K8S_LOGS"] = folder,
            ["K8S_PORT"] = port.ToString(CultureInfo.InvariantCulture),
            ["CONTROLLERS"] = "1",
            ["SCHEDULER"] = "0",
            ["APISERVER_ARGS"] = arguments,
            ["KCM_ARGS"] = ControllerManagerArguments,
        };
    }

    /// <summary>State of the cluster; removed at the end.</summary>
    public string Folder { get; }

    public string AuditFile => Path.Combine(Folder, "audit.log");

    public string AdminKubeconfig => Path.Combine(Folder, "admin.kubeconfig");

    public string OperatorKubeconfig => Path.Combine(Folder, "operator.kubeconfig");

    /// <param name="repository">Root of the checkout.</param>
    /// <param name="port">Of the API server; three more follow.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="BenchException">The control plane did not come up.</exception>
    public static async Task<ControlPlane> StartAsync(string repository, int port, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("aifabric-bench-").FullName;
        var plane = new ControlPlane(repository, folder, port);
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "audit-policy.yaml"), AuditPolicy, cancellationToken);
            await plane.RunAsync("cluster-up.sh", [], cancellationToken);
            await plane.RunAsync("modern-join.sh", ["aifabric.io/v1alpha1"], cancellationToken);
            plane.MakeOperatorUser(port);
            await plane.ApplyAsync(Path.Combine(repository, "crds", "manifests"), cancellationToken);
            return plane;
        }
        catch
        {
            await plane.DisposeAsync();
            throw;
        }
    }

    /// <summary>CPU seconds of each part since it started.</summary>
    public IReadOnlyDictionary<string, double> CpuSeconds() => Parts.ToDictionary(part => part, part => ProcessUse.CpuSeconds(Pid(part)));

    /// <summary>Resident size of each part now, bytes.</summary>
    public IReadOnlyDictionary<string, long> ResidentBytes() => Parts.ToDictionary(part => part, part => ProcessUse.ResidentBytes(Pid(part)));

    public async ValueTask DisposeAsync()
    {
        await RunAsync("cluster-down.sh", [], CancellationToken.None);
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }

    private int Pid(string part) => int.Parse(File.ReadAllText(Path.Combine(Folder, part + ".pid")), CultureInfo.InvariantCulture);

    private Task<string> RunAsync(string script, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        Shell.RunAsync(Path.Combine(_recipe, script), arguments, _recipe, _environment, cancellationToken);

    private async Task ApplyAsync(string manifests, CancellationToken cancellationToken)
    {
        string[][] commands =
        [
            // The 1.20 core's OpenAPI document, which kubectl would validate against, does not know CEL rules. The server does.
            ["apply", "--validate=false", "-f", manifests],
            ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"],
            ["wait", "--for=condition=Available", "--timeout=60s", "apiservice/v1alpha1.aifabric.io"],
            ["create", "namespace", "aifabric-system"],
        ];
        foreach (string[] command in commands)
            await Shell.RunAsync("kubectl", ["--kubeconfig", AdminKubeconfig, .. command], _recipe, _environment, cancellationToken);
    }

    /// <summary>
    /// A user of the operator's own, so that its requests can be told from all others. It is in system:masters: the custom-resource server would
    /// else ask the API server about each request, which is the recipe's cost and not the operator's.
    /// </summary>
    private void MakeOperatorUser(int port)
    {
        string pki = Path.Combine(Folder, "pki");
        using X509Certificate2 authority = X509Certificate2.CreateFromPemFile(Path.Combine(pki, "ca.crt"), Path.Combine(pki, "ca.key"));
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"O=system:masters, CN={OperatorUser}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], critical: false)); // client authentication
        using X509Certificate2 certificate = request.Create(authority, authority.NotBefore, authority.NotAfter, RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(OperatorKubeconfig, $"""
            apiVersion: v1
            kind: Config
            clusters:
            - name: bench
              cluster: {"{"}server: "https://127.0.0.1:{port}", certificate-authority-data: {Base64(File.ReadAllText(Path.Combine(pki, "ca.crt")))}{"}"}
            users:
            - name: operator
              user: {"{"}client-certificate-data: {Base64(certificate.ExportCertificatePem())}, client-key-data: {Base64(key.ExportPkcs8PrivateKeyPem())}{"}"}
            contexts:
            - name: bench
              context: {"{"}cluster: bench, user: operator{"}"}
            current-context: bench
            """);
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.ASCII.GetBytes(text));
}
