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

    /// <summary>
    /// A changed Secret is noticed after this time; a missing one keeps pods from starting, so that its model is not ready and
    /// <see cref="RememberUnready"/> holds. A worker that refuses the token makes it read at once.
    /// </summary>
    private static readonly TimeSpan RememberReady = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan RememberUnready = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<NamespacedName, (string Token, DateTimeOffset ReadAt)> _known = new();

    public static string SecretName(string model) => model + "-control";

    /// <summary>Ten hexadecimal digits by which a pod template names its token without telling it: a new token rolls the pods.</summary>
    public static string Fingerprint(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)))[..10];

    /// <summary>The token of a model's workers; null when there is no Secret (yet).</summary>
    public Task<string?> FindAsync(string @namespace, string model, CancellationToken cancellationToken) =>
        FindAsync(new NamespacedName(@namespace, SecretName(model)), RememberReady, cancellationToken);

    /// <summary>The token of a model's workers, in a Secret that is made now if there is none.</summary>
    /// <exception cref="KubernetesApiException">The API server refused.</exception>
    public async Task<string> EnsureAsync(CoServedModel model, CancellationToken cancellationToken)
    {
        var key = new NamespacedName(model.Metadata.NamespaceProperty, SecretName(model.Metadata.Name));
        TimeSpan age = IsReady(model) ? RememberReady : RememberUnready;
        // A model without a status was never looked at, so that there is hardly a Secret to be found: a read is saved.
        bool isNew = model.Status?.ObservedGeneration is null && !_known.ContainsKey(key);
        if (!isNew && await FindAsync(key, age, cancellationToken) is { } found)
            return found;
        try
        {
            V1Secret made = await client.CreateAsync(NewSecret(model), cancellationToken);
            return Remember(key, Read(made) ?? string.Empty);
        }
        catch (KubernetesApiException e) when (e.IsAlreadyExists)
        {
            if (await FindAsync(key, age, cancellationToken) is { } other)
                return other;
            // It is there without a token: it gets one.
            V1Secret applied = await client.ApplyAsync(NewSecret(model), cancellationToken: cancellationToken);
            return Remember(key, Read(applied) ?? string.Empty);
        }
    }

    private static bool IsReady(CoServedModel model) =>
        model.Status?.Conditions?.Any(condition => condition is { Type: CoServedModelConditions.Ready, Status: "True" }) == true;

    private async Task<string?> FindAsync(NamespacedName key, TimeSpan age, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(key, out (string Token, DateTimeOffset ReadAt) known) && time.GetUtcNow() - known.ReadAt < age)
            return known.Token;
        V1Secret? secret = await client.GetAsync<V1Secret>(key.Name, key.Namespace, cancellationToken);
        if (Read(secret) is { } token)
            return Remember(key, token);
        _known.TryRemove(key, out _);
        return null;
    }

    private V1Secret NewSecret(CoServedModel model) => new()
    {
        Metadata = OwnedMetadata.For(model, SecretName(model.Metadata.Name), "control"),
        Type = "Opaque",
        Data = new Dictionary<string, byte[]>
        {
            [Key] = Encoding.UTF8.GetBytes(options.Value.ControlToken ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32))),
        },
    };

    /// <summary>Reads the Secret anew at the next use.</summary>
    public void Forget(string @namespace, string model) => _known.TryRemove(new NamespacedName(@namespace, SecretName(model)), out _);

    private static string? Read(V1Secret? secret) =>
        secret?.Data is { } data && data.TryGetValue(Key, out byte[]? bytes) && bytes.Length > 0 ? Encoding.UTF8.GetString(bytes).Trim() : null;

    private string Remember(NamespacedName key, string token)
    {
        _known[key] = (token, time.GetUtcNow());
        return token;
    }
}
