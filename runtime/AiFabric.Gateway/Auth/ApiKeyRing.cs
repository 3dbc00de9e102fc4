using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Gateway.Auth;

/// <summary>The API keys of all Secrets labelled <c>aifabric.io/api-keys=true</c>: each value of a Secret's data is one key.</summary>
/// <remarks>Keys are kept and looked up as SHA-256 digests, so that a lookup's time says nothing about a key.</remarks>
public sealed class ApiKeyRing
{
    public const string Selector = "aifabric.io/api-keys=true";

    private readonly IInformer<V1Secret>? _secrets;
    private volatile FrozenSet<string> _digests = FrozenSet<string>.Empty;

    /// <param name="secrets">Null when no keys are asked for: the gateway then needs no right to read Secrets.</param>
    public ApiKeyRing(IInformer<V1Secret>? secrets = null)
    {
        _secrets = secrets;
        _secrets?.Subscribe(_ => Reload(_secrets));
    }

    /// <summary>Whether all keys are known; before that, good keys are refused.</summary>
    public bool HasSynced => _secrets?.HasSynced != false;

    /// <summary>Whether <paramref name="key"/> is one of the keys.</summary>
    public bool Contains(string key) => _digests.Contains(Digest(key));

    private void Reload(IInformer<V1Secret> secrets) => _digests = secrets.List()
        .SelectMany(s => s.Data?.Values ?? [])
        .Select(v => Encoding.UTF8.GetString(v).Trim())
        .Where(v => v.Length > 0)
        .Select(Digest)
        .ToFrozenSet(StringComparer.Ordinal);

    private static string Digest(string key) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
