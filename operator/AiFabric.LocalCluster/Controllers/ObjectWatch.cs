using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Controllers;

/// <summary>List, then watch, for ever: tells every change of one resource type, and after a gap in the history also the deletions inside it.</summary>
internal sealed class ObjectWatch(IClusterApi api, ResourceType type, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);
    private readonly Dictionary<ObjectKey, JsonObject> _known = [];

    /// <param name="onChange">Called one at a time with the kind of change and the object.</param>
    /// <param name="onListed">Called after each complete list.</param>
    /// <param name="cancellationToken">Ends the watch.</param>
    public async Task RunAsync(Action<ChangeKind, JsonObject> onChange, Action? onListed, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                long revision = Relist(onChange);
                onListed?.Invoke();
                await FollowAsync(onChange, revision, cancellationToken);
            }
            catch (ApiException expired) when (expired.Code == 410)
            {
                // The history was compacted: list again.
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // loop top: a watch must outlive any one failure
            catch (Exception failure)
#pragma warning restore CA1031
            {
                Log.WatchFailed(logger, type.Plural, failure);
                await Task.Delay(RetryAfter, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private long Relist(Action<ChangeKind, JsonObject> onChange)
    {
        (IReadOnlyList<JsonObject> items, long revision) = api.List(type);
        var present = items.Select(ObjectKey.Of).ToHashSet();
        foreach (ObjectKey missing in _known.Keys.Except(present).ToList())
        {
            _known.Remove(missing, out JsonObject? last);
            onChange(ChangeKind.Deleted, last!); // the key came from this dictionary
        }

        foreach (JsonObject item in items)
        {
            _known[ObjectKey.Of(item)] = item;
            onChange(ChangeKind.Changed, item);
        }

        return revision;
    }

    private async Task FollowAsync(Action<ChangeKind, JsonObject> onChange, long revision, CancellationToken cancellationToken)
    {
        await foreach (ClusterEvent change in api.WatchAsync(type, null, revision, cancellationToken))
        {
            switch (change.Type)
            {
                case ClusterEvent.Added or ClusterEvent.Modified:
                    _known[ObjectKey.Of(change.Object)] = change.Object;
                    onChange(ChangeKind.Changed, change.Object);
                    break;
                case ClusterEvent.Deleted:
                    _known.Remove(ObjectKey.Of(change.Object));
                    onChange(ChangeKind.Deleted, change.Object);
                    break;
                case ClusterEvent.Error:
                    return;
            }
        }
    }
}

/// <summary>What happened to a watched object.</summary>
internal enum ChangeKind
{
    Changed,
    Deleted,
}
