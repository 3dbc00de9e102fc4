using System.Security.Cryptography;
using AiFabric.Gateway.Routing;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Traffic;

/// <summary>
/// Decides by chance which requests a share takes. What a session draws is drawn by its name, so that it stays on its side, in every replica and after
/// every restart, and so that a share that grows keeps whom it has. Safe for many threads.
/// </summary>
/// <param name="seed">Of the draws without a session: the same seed, the same draws.</param>
public sealed class TrafficDraw(ulong seed)
{
    // The step of splitmix64 (Steele, Lea and Flood, 2014): multiples of it, mixed, are its random numbers, so that a count is all the state.
    private const ulong Step = 0x9E3779B97F4A7C15;

    private ulong _count;

    /// <summary>By the seed of the settings, or by one that nobody knows.</summary>
    public TrafficDraw(IOptions<GatewayOptions> options)
        : this(options.Value.TrafficSeed is { } seed ? (ulong)seed : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))))
    {
    }

    /// <summary>Whether a request falls into a share.</summary>
    /// <param name="share">The share.</param>
    /// <param name="model">Whose requests it is a part of: a session draws for each model anew.</param>
    /// <param name="isMirror">Whether it is for copies: they are drawn apart from the canary.</param>
    /// <param name="session">Names the client's session; null without one.</param>
    public bool Takes(TrafficShare share, ModelKey model, bool isMirror, ulong? session)
    {
        if (share.Percent is <= 0 or >= 100)
            return share.Percent >= 100;
        ulong drawn = session is { } name
            ? RoutePlanner.Mix(name ^ PromptDigester.Session(null, $"{(isMirror ? "mirror" : "canary")}/{model.Namespace}/{model.Name}"))
            : RoutePlanner.Mix(seed + (Step * Interlocked.Increment(ref _count)));
        // 53 bits are what a double holds exactly.
        return (drawn >> 11) * (100.0 / (1UL << 53)) < share.Percent;
    }
}
