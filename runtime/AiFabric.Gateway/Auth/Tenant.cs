using System.Security.Cryptography;
using System.Text;
using AiFabric.Gateway.Limits;

namespace AiFabric.Gateway.Auth;

/// <summary>Whose request it is, as workers are told: every API key is a tenant of its own.</summary>
/// <param name="Id">Derived from the key, the same in every replica and after every restart; the key cannot be read from it.</param>
/// <param name="Limits">What it may ask of this replica.</param>
public sealed record Tenant(string Id, TenantLimits Limits)
{
    private const int IdBytes = 16;

    public static Tenant OfKey(string key, TenantLimits limits) =>
        new(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("aifabric-tenant/" + key)).AsSpan(0, IdBytes)), limits);
}
