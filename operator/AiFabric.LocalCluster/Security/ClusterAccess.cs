using System.Security.Cryptography;
using System.Text;
using AiFabric.LocalCluster.Hosting;

namespace AiFabric.LocalCluster.Security;

/// <summary>How clients reach the API server: its address, its authority and the one token that opens it.</summary>
public sealed class ClusterAccess
{
    private readonly byte[] _token;
    private Uri? _server;

    internal ClusterAccess(LocalClusterOptions options, string authorityPath)
    {
        AuthorityPath = authorityPath;
        KubeconfigPath = options.KubeconfigPath ?? Path.Combine(options.DataDirectory, "kubeconfig");
        TokenPath = Path.Combine(options.DataDirectory, "token");
        if (!File.Exists(TokenPath))
            PrivateFile.Write(TokenPath, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)));
        Token = File.ReadAllText(TokenPath).Trim();
        _token = Encoding.UTF8.GetBytes(Token);
        if (options.Port != 0)
            _server = new($"https://127.0.0.1:{options.Port}");
    }

    /// <summary>The address, such as https://127.0.0.1:6443.</summary>
    /// <exception cref="InvalidOperationException">The port is chosen by the system and the server has not started.</exception>
    public Uri Server
    {
        get => _server ?? throw new InvalidOperationException("The API server has not started, so its port is not known yet.");
        internal set => _server = value;
    }

    /// <summary>The bearer token.</summary>
    public string Token { get; }

    /// <summary>The file that holds the token, readable by its owner only.</summary>
    public string TokenPath { get; }

    /// <summary>The PEM file of the certificate authority.</summary>
    public string AuthorityPath { get; }

    /// <summary>The kubeconfig, written once the server listens.</summary>
    public string KubeconfigPath { get; }

    internal bool Accepts(string? authorization) =>
        authorization is not null
        && authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(authorization["Bearer ".Length..].Trim()), _token);

    internal void WriteKubeconfig() => PrivateFile.Write(KubeconfigPath, $"""
        apiVersion: v1
        kind: Config
        current-context: aifabric
        clusters:
        - name: aifabric
          cluster:
            server: {Server.ToString().TrimEnd('/')}
            certificate-authority-data: {Convert.ToBase64String(File.ReadAllBytes(AuthorityPath))}
        contexts:
        - name: aifabric
          context:
            cluster: aifabric
            user: aifabric
            namespace: default
        users:
        - name: aifabric
          user:
            token: {Token}

        """);
}
