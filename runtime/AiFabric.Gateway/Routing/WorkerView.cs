using System.Runtime.InteropServices;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Routing;

/// <summary>
/// What is known of one worker's load and cache: its own last report, and what was sent to it since. Outlives changes of its adapters. Safe for many threads.
/// </summary>
/// <param name="uid">The pod's.</param>
public sealed class WorkerView(string uid)
{
    private readonly Lock _lock = new();
    private readonly HashSet<ulong> _cached = [];
    private readonly Dictionary<ulong, Expectation> _expected = [];
    private long _reports;
    private double _queued;
    private double _others;
    private double _used;

    /// <summary>Its place among hashes.</summary>
    public ulong Id { get; } = PromptDigester.Pod(uid);

    /// <summary>The state of its cache that is known; null when none is.</summary>
    public string? Cursor { get; private set; }

    /// <summary>A request with a prompt is sent to it: its cache will hold the prompt soon, before it can say so.</summary>
    public void Expect(PromptPieces? prompt) => Change(prompt, 1);

    /// <summary>That request has ended.</summary>
    public void Ended(PromptPieces? prompt) => Change(prompt, -1);

    /// <summary>Takes over its report; null takes what it once said as no longer known.</summary>
    /// <param name="report">The report.</param>
    /// <param name="ownRequests">Requests that this gateway had sent to it when it was asked: the rest came from elsewhere.</param>
    public void Take(WorkerLoad? report, int ownRequests)
    {
        lock (_lock)
        {
            _reports++;
            (_queued, _others) = (report?.QueuedRequests ?? 0, Math.Max(0, (report?.RunningRequests ?? 0) + (report?.QueuedRequests ?? 0) - ownRequests));
            _used = report is { TotalKvBlocks: > 0 } ? 1 - ((double)report.FreeKvBlocks / report.TotalKvBlocks) : 0;
            if (report?.Prefixes is not { IsWhole: false })
                _cached.Clear();
            Cursor = report?.Prefixes?.Cursor;
            foreach (ulong name in Names(report?.Prefixes?.Removed))
                _cached.Remove(name);
            foreach (ulong name in Names(report?.Prefixes?.Added))
                _cached.Add(name);
            // What ended before the report before this one was asked for is in it, or is not in the cache.
            foreach ((ulong name, Expectation expectation) in _expected)
            {
                if (expectation.Requests == 0 && expectation.Since < _reports - 1)
                    _expected.Remove(name);
            }
        }
    }

    /// <summary>The worker as a choice for a prompt.</summary>
    /// <param name="ownRequests">Requests that this gateway has sent to it and that have not ended.</param>
    /// <param name="prompt">The prompt; null when its cache does not matter.</param>
    public Candidate For(int ownRequests, PromptPieces? prompt)
    {
        lock (_lock)
        {
            // From four fifths on requests are about to push each other out of the cache.
            double pressure = 1 + Math.Clamp((_used - 0.8) / 0.2, 0, 1);
            return new Candidate(Id, (ownRequests + _others + _queued) * pressure, prompt is null ? 0 : CachedBytes(prompt));
        }
    }

    // A digest names all before it, so the longest that is known is enough.
    private int CachedBytes(PromptPieces prompt)
    {
        for (int i = prompt.Digests.Count - 1; i >= 0; i--)
        {
            if (_cached.Contains(prompt.Digests[i]) || _expected.ContainsKey(prompt.Digests[i]))
                return PromptPieces.EndOf(i);
        }
        return 0;
    }

    private void Change(PromptPieces? prompt, int requests)
    {
        if (prompt is null)
            return;
        lock (_lock)
        {
            foreach (ulong name in prompt.Digests)
            {
                ref Expectation known = ref CollectionsMarshal.GetValueRefOrAddDefault(_expected, name, out _);
                known = new Expectation(known.Requests + requests, _reports);
            }
        }
    }

    private static ReadOnlySpan<ulong> Names(ReadOnlyMemory<byte>? bytes) => bytes is { } some ? MemoryMarshal.Cast<byte, ulong>(some.Span) : [];

    /// <summary>A name that the cache should hold.</summary>
    /// <param name="Requests">Requests under way that bring it.</param>
    /// <param name="Since">Reports that had come when the last of them began or ended.</param>
    private readonly record struct Expectation(int Requests, long Since);
}
