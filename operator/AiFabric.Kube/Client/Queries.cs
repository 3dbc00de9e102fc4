using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>What to list.</summary>
public sealed record ListQuery
{
    /// <summary>Null: all namespaces, or a cluster-scoped kind.</summary>
    public string? Namespace { get; init; }

    /// <summary>For example <c>app=web,tier!=cache</c>.</summary>
    public string? LabelSelector { get; init; }

    /// <summary>For example <c>metadata.name=web</c>.</summary>
    public string? FieldSelector { get; init; }

    /// <summary>At most so many objects a page; null for all at once.</summary>
    public int? Limit { get; init; }

    /// <summary>The token of the page before.</summary>
    public string? Continue { get; init; }

    /// <summary><c>0</c>: any state the server has cached; null: the newest.</summary>
    public string? ResourceVersion { get; init; }
}

/// <summary>One page of a list.</summary>
/// <param name="Items">The objects, each with its apiVersion and kind filled in.</param>
/// <param name="ResourceVersion">The state of the collection this list shows; a watch goes on from here.</param>
/// <param name="Continue">Asks for the next page; null on the last.</param>
public sealed record ResourcePage<T>(IReadOnlyList<T> Items, string? ResourceVersion, string? Continue)
{
    /// <summary>Uids of objects that are there and left out, for they do not fit the type.</summary>
    public IReadOnlyList<string> Unreadable { get; init; } = [];
}

/// <summary>What to watch.</summary>
public sealed record WatchQuery
{
    /// <summary>Null: all namespaces, or a cluster-scoped kind.</summary>
    public string? Namespace { get; init; }

    /// <summary>For example <c>app=web,tier!=cache</c>.</summary>
    public string? LabelSelector { get; init; }

    /// <summary>For example <c>metadata.name=web</c>.</summary>
    public string? FieldSelector { get; init; }

    /// <summary>Events after this state are sent. Null: the objects there are, then events.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>After this time the server closes the watch; null leaves it to the server.</summary>
    public TimeSpan? Timeout { get; init; }
}

/// <summary>What a watch says happened.</summary>
public enum WatchEventKind
{
    Added,
    Modified,
    Deleted,

    /// <summary>Nothing happened; the object carries only the resourceVersion reached.</summary>
    Bookmark,
}

/// <summary>One event of a watch.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Object">The object after it; when deleted, its metadata alone.</param>
public sealed record WatchEvent<T>(WatchEventKind Kind, T Object)
    where T : class, IKubernetesObject<V1ObjectMeta>;

/// <summary>How to delete.</summary>
public sealed record DeleteQuery
{
    /// <summary>Delete only the object with this uid.</summary>
    public string? Uid { get; init; }

    /// <summary>Delete only this state of the object.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary><c>Background</c>, <c>Foreground</c> or <c>Orphan</c>; null for the kind's default.</summary>
    public string? PropagationPolicy { get; init; }

    /// <summary>Seconds a pod has to stop; null for its own setting.</summary>
    public int? GracePeriodSeconds { get; init; }

    /// <summary>The body of the request: <c>DeleteOptions</c>.</summary>
    internal JsonObject ToOptions()
    {
        var options = new V1DeleteOptions
        {
            ApiVersion = "v1",
            Kind = "DeleteOptions",
            Preconditions = Uid is null && ResourceVersion is null ? null : new V1Preconditions { Uid = Uid, ResourceVersion = ResourceVersion },
            PropagationPolicy = PropagationPolicy,
            GracePeriodSeconds = GracePeriodSeconds,
        };
        return (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(options))!; // An object is never serialized as anything else.
    }
}
