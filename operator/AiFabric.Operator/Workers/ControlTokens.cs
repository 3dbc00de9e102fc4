using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator.Objects;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Workers;

/// <summary>
/// The bearer tokens of the workers' control ports: one Secret for each model, read one at a time instead of watched, so that the operator
/// never holds every Secret of the cluster.
/// </summary>
internal sealed class ControlTokens(IKubernetesClient client, IOptions<OperatorOptions> options, TimeProvider time)
{
    /// <summary>Key of the token in the Secret's data.</summary>
    public const string Key = "token";

    private static readonly TimeSpan RememberFor = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<NamespacedName, (string Token, DateTimeOffset Until)> _known = new();

    public static string SecretName(string model) => model + "-control";

    /// <summary>Ten hexadecimal digits by which a pod template names its token without telling it: a new token rolls the pods.</summary>
    public static string Fingerprint(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)))[..10];

    /// <summary>The token of a model's workers; null when there is no Secret (yet).</summary>
    public async Task<string?> FindAsync(string @namespace, string model, CancellationToken cancellationToken)
    {
        var key = new NamespacedName(@namespace, SecretName(model));
        if (_known.TryGetValue(key, out (string Token, DateTimeOffset Until) known) && known.Until > time.GetUtcNow())
            return known.Token;
        V1Secret? secret = await client.GetAsync<V1Secret>(key.Name, @namespace, cancellationToken);
        if (Read(secret) is not { } token)
        {
            _known.TryRemove(key, out _);
            return null;
        }
        return Remember(key, token);
    }

    /// <summary>The token of a model's workers, in a Secret that is made now if there is none.</summary>
    /// <exception cref="KubernetesApiException">The API server refused.</exception>
    public async Task<string> EnsureAsync(CoServedModel model, CancellationToken cancellationToken)
    {
        if (await FindAsync(model.Metadata.NamespaceProperty, model.Metadata.Name, cancellationToken) is { } found)
            return found;
        string token = options.Value.ControlToken ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        var secret = new V1Secret
        {
            Metadata = OwnedMetadata.For(model, SecretName(model.Metadata.Name), "control"),
            Type = "Opaque",
            Data = new Dictionary<string, byte[]> { [Key] = Encoding.UTF8.GetBytes(token) },
        };
        V1Secret applied = await client.ApplyAsync(secret, cancellationToken: cancellationToken);
        return Remember(NamespacedName.Of(applied), Read(applied) ?? token);
    }

    /// <summary>Reads the Secret anew at the next use.</summary>
    public void Forget(string @namespace, string model) => _known.TryRemove(new NamespacedName(@namespace, SecretName(model)), out _);

    private static string? Read(V1Secret? secret) =>
        secret?.Data is { } data && data.TryGetValue(Key, out byte[]? bytes) && bytes.Length > 0 ? Encoding.UTF8.GetString(bytes).Trim() : null;

    private string Remember(NamespacedName key, string token)
    {
        _known[key] = (token, time.GetUtcNow() + RememberFor);
        return token;
    }
}
