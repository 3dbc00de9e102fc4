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

    private readonly ConcurrentDictionary<NamespacedName, Known> _known = new();

    public static string SecretName(string model) => model + "-control";

    /// <summary>Ten hexadecimal digits by which a pod template names its token without telling it: a new token rolls the pods.</summary>
    public static string Fingerprint(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)))[..10];

    /// <summary>The token of a model's workers; null when there is no Secret (yet).</summary>
    public async Task<string?> FindAsync(string @namespace, string model, CancellationToken cancellationToken) =>
        (await FindAsync(new NamespacedName(@namespace, SecretName(model)), RememberReady, null, cancellationToken))?.Token;

    /// <summary>The token of a model's workers, in a Secret that is made now if there is none.</summary>
    /// <returns>Null while the Secret is that of a model of the same name that was deleted: it goes after it, and pods would wait for it in vain.</returns>
    /// <exception cref="KubernetesApiException">The API server refused.</exception>
    public async Task<string?> EnsureAsync(CoServedModel model, CancellationToken cancellationToken)
    {
        var key = new NamespacedName(model.Metadata.NamespaceProperty, SecretName(model.Metadata.Name));
        TimeSpan age = IsReady(model) ? RememberReady : RememberUnready;
        // A model without a status was never looked at, so that there is hardly a Secret to be found: a read is saved.
        bool isNew = model.Status?.ObservedGeneration is null && !_known.ContainsKey(key);
        if (!isNew && await FindAsync(key, age, model, cancellationToken) is { } found)
            return found.TokenFor(model);
        try
        {
            V1Secret made = await client.CreateAsync(NewSecret(model), cancellationToken);
            return Remember(key, made, Read(made) ?? string.Empty).Token;
        }
        catch (KubernetesApiException e) when (e.IsAlreadyExists)
        {
            if (await FindAsync(key, age, model, cancellationToken) is { } other)
                return other.TokenFor(model);
            // It is there without a token: it gets one.
            V1Secret applied = await client.ApplyAsync(NewSecret(model), cancellationToken: cancellationToken);
            return Remember(key, applied, Read(applied) ?? string.Empty).Token;
        }
    }

    private static bool IsReady(CoServedModel model) =>
        model.Status?.Conditions?.Any(condition => condition is { Type: CoServedModelConditions.Ready, Status: "True" }) == true;

    /// <param name="key">The Secret.</param>
    /// <param name="age">How long what was read is remembered.</param>
    /// <param name="model">For whom it is; what was read when it was another's is not remembered then. Null for anybody.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    private async Task<Known?> FindAsync(NamespacedName key, TimeSpan age, CoServedModel? model, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(key, out Known? known) && time.GetUtcNow() - known.ReadAt < age && (model is null || known.TokenFor(model) is not null))
            return known;
        V1Secret? secret = await client.GetAsync<V1Secret>(key.Name, key.Namespace, cancellationToken);
        if (secret is not null && Read(secret) is { } token)
            return Remember(key, secret, token);
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

    private Known Remember(NamespacedName key, V1Secret secret, string token) => _known[key] = new Known(
        token, secret.Metadata.OwnerReferences?.FirstOrDefault(owner => owner is { Controller: true, Kind: "CoServedModel" })?.Uid, time.GetUtcNow());

    /// <summary>What was read of a Secret.</summary>
    /// <param name="Token">The token.</param>
    /// <param name="Model">Uid of the model that it was made for; null when somebody else keeps it.</param>
    /// <param name="ReadAt">When it was read.</param>
    private sealed record Known(string Token, string? Model, DateTimeOffset ReadAt)
    {
        public string? TokenFor(CoServedModel model) => Model is null || Model == model.Metadata.Uid ? Token : null;
    }
}
