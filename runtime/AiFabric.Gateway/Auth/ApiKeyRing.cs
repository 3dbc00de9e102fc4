using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using AiFabric.Gateway.Limits;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Auth;

/// <summary>
/// The API keys of all Secrets labelled <c>aifabric.io/api-keys=true</c>: each value of a Secret's data is one key, under the limits that the Secret's annotations set.
/// </summary>
/// <remarks>Keys are kept and looked up as SHA-256 digests, so that a lookup's time says nothing about a key.</remarks>
public sealed class ApiKeyRing
{
    public const string Selector = "aifabric.io/api-keys=true";

    private readonly IInformer<V1Secret>? _secrets;
    private readonly TenantLimits _defaults;
    private readonly int _shares;
    private readonly ILogger<ApiKeyRing> _log;
    private volatile FrozenDictionary<string, TenantLimits> _keys = FrozenDictionary<string, TenantLimits>.Empty;

    /// <param name="options">Limits of keys whose Secret sets none, and among how many replicas all are divided.</param>
    /// <param name="log">Told of annotations that cannot be read.</param>
    /// <param name="secrets">Null when no keys are asked for: the gateway then needs no right to read Secrets.</param>
    public ApiKeyRing(IOptions<GatewayOptions> options, ILogger<ApiKeyRing> log, IInformer<V1Secret>? secrets = null)
    {
        (_secrets, _log, _shares) = (secrets, log, options.Value.LimitShares);
        _defaults = new TenantLimits(options.Value.RequestsPerMinute, options.Value.TokensPerMinute);
        _secrets?.Subscribe(_ => Reload(_secrets));
    }

    /// <summary>Whether all keys are known; before that, good keys are refused.</summary>
    public bool HasSynced => _secrets?.HasSynced != false;

    /// <summary>Keys that are known.</summary>
    public int Count => _keys.Count;

    /// <summary>What <paramref name="key"/> may ask of this replica; null when it is not one of the keys.</summary>
    public TenantLimits? Find(string key) => _keys.GetValueOrDefault(Digest(key));

    private void Reload(IInformer<V1Secret> secrets)
    {
        var keys = new Dictionary<string, TenantLimits>(StringComparer.Ordinal);
        foreach (V1Secret secret in secrets.List())
        {
            (TenantLimits limits, string? problem) = TenantLimits.Read(secret, _defaults);
            if (problem is not null)
                Log.LimitUnreadable(_log, problem);
            foreach (string key in (secret.Data?.Values ?? []).Select(value => Encoding.UTF8.GetString(value).Trim()).Where(key => key.Length > 0))
                keys[Digest(key)] = limits.Divide(_shares);
        }
        _keys = keys.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private static string Digest(string key) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
