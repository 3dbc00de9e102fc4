using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Controllers;

/// <summary>What a controller watches, and which of its own objects a change there concerns.</summary>
internal sealed record WatchedType(string Group, string Plural, Func<JsonObject, IEnumerable<ObjectKey>> Keys);

/// <summary>The loop all controllers share: watches put keys into one queue, one worker reconciles them, failures come back later.</summary>
internal abstract class Controller(IClusterApi api, TimeProvider time, ILogger logger) : BackgroundService
{
    private static readonly TimeSpan MaxRetry = TimeSpan.FromSeconds(30);
    private readonly WorkQueue<ObjectKey> _queue = new(time);
    private readonly Dictionary<ObjectKey, int> _failures = [];

    protected TypedApi Api { get; } = new(api);

    protected DateTimeOffset Now => WireTime.Seconds(time.GetUtcNow());

    protected abstract IReadOnlyList<WatchedType> Watches { get; }

    /// <summary>Brings the world closer to what the object asks for.</summary>
    /// <returns>When to look again although nothing changes; null for not at all.</returns>
    protected abstract TimeSpan? Reconcile(ObjectKey key);

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        IEnumerable<Task> watches = Watches.Select(watched => Task.Run(() => WatchAsync(watched, stoppingToken), stoppingToken));
        return Task.WhenAll([.. watches, Task.Run(() => WorkAsync(stoppingToken), stoppingToken)]);
    }

    private Task WatchAsync(WatchedType watched, CancellationToken cancellationToken)
    {
        ResourceType type = api.FindType(watched.Group, watched.Plural)
            ?? throw new InvalidOperationException($"the API server does not serve {watched.Plural}.{watched.Group}");
        return new ObjectWatch(api, type, time, logger).RunAsync((_, item) =>
        {
            foreach (ObjectKey key in watched.Keys(item))
            {
                _queue.Add(key);
            }
        }, null, cancellationToken);
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            ObjectKey key = await _queue.TakeAsync(cancellationToken);
            try
            {
                if (Reconcile(key) is { } again)
                {
                    _queue.AddAfter(key, again);
                }

                _failures.Remove(key);
            }
            catch (ApiException conflict) when (conflict.Code == 409)
            {
                // Someone changed the object between reading and writing: look at it afresh.
                _queue.AddAfter(key, TimeSpan.FromMilliseconds(20));
            }
#pragma warning disable CA1031 // loop top: one bad object must not stop the others
            catch (Exception failure)
#pragma warning restore CA1031
            {
                Log.ReconcileFailed(logger, GetType().Name, key.Namespace, key.Name, failure);
                _queue.AddAfter(key, RetryDelay(key));
            }
        }
    }

    private TimeSpan RetryDelay(ObjectKey key)
    {
        int failures = _failures[key] = _failures.GetValueOrDefault(key) + 1;
        return TimeSpan.FromSeconds(Math.Min(MaxRetry.TotalSeconds, Math.Pow(2, failures - 1)));
    }
}
