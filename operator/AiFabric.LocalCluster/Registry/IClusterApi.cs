using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Registry;

/// <summary>
/// The cluster's objects, for the HTTP endpoints and for controllers and nodes in the same process. Thread safe. Every returned object is a
/// copy that the caller may change. Every method throws <see cref="ApiException"/> with the status a Kubernetes API server would answer.
/// </summary>
public interface IClusterApi
{
    /// <summary>All served types, built in and custom; a snapshot.</summary>
    IReadOnlyList<ResourceType> Types { get; }

    /// <summary>The type of a group ("" for core) and plural name in its preferred version, or null when none is served.</summary>
    ResourceType? FindType(string group, string plural);

    /// <summary>The object, or null when there is none. <paramref name="ns"/> is null for cluster-scoped types.</summary>
    JsonObject? Get(ResourceType type, string? ns, string name);

    /// <summary>The objects of a type in one namespace or (null) in all, ordered by namespace and name, with the revision of the snapshot.</summary>
    /// <exception cref="ApiException">400 for a malformed selector.</exception>
    (IReadOnlyList<JsonObject> Items, long Revision) List(
        ResourceType type, string? ns = null, string? labelSelector = null, string? fieldSelector = null);

    /// <summary>Creates an object (<c>metadata.name</c> or <c>metadata.generateName</c>) and returns it as stored.</summary>
    /// <exception cref="ApiException">404 missing namespace, 409 AlreadyExists, 422 Invalid, 400 BadRequest.</exception>
    JsonObject Create(ResourceType type, string? ns, JsonObject body, WriteOptions? options = null);

    /// <summary>
    /// Replaces an object, or with <paramref name="subresource"/> "status" or "scale" that part of it. Nothing is written (and the
    /// resourceVersion stays) when nothing changed. An absent <c>metadata.resourceVersion</c> means "whatever is stored".
    /// </summary>
    /// <exception cref="ApiException">404 NotFound, 409 Conflict on a stale resourceVersion, 422 Invalid.</exception>
    JsonObject Update(
        ResourceType type, string? ns, string name, JsonObject body, string? subresource = null, WriteOptions? options = null);

    /// <summary>
    /// Deletes an object. It stays, with a deletionTimestamp, while it has finalizers, and a pod on a node stays until its node confirms
    /// with a grace period of 0.
    /// </summary>
    /// <returns>The object, with its deletionTimestamp when it stays.</returns>
    /// <exception cref="ApiException">404 NotFound, 409 Conflict when a precondition fails.</exception>
    JsonObject Delete(ResourceType type, string? ns, string name, DeleteRequest? options = null);

    /// <summary>
    /// Changes after <paramref name="fromRevision"/> (a list's revision), in order, without end. Selectors are the caller's affair.
    /// </summary>
    /// <exception cref="ApiException">410 Expired when the revision is older than the kept history: list again.</exception>
    IAsyncEnumerable<ClusterEvent> WatchAsync(ResourceType type, string? ns, long fromRevision, CancellationToken cancellationToken);
}

/// <summary>How a write is to be done.</summary>
public sealed record WriteOptions
{
    /// <summary>The field manager recorded in managedFields.</summary>
    public string FieldManager { get; init; } = "aifabric-local-cluster";

    /// <summary>Do everything but store the result (<c>dryRun=All</c>).</summary>
    public bool DryRun { get; init; }

    /// <summary>What happens to unknown and duplicate fields.</summary>
    public FieldValidation Validation { get; init; } = FieldValidation.Warn;

    /// <summary>Receives warnings for the client; null drops them.</summary>
    public ICollection<string>? Warnings { get; init; }

    /// <summary>The body's managedFields are final (server-side apply has worked them out).</summary>
    internal bool OwnershipDone { get; init; }
}

/// <summary>What a write does about fields that the schema does not know.</summary>
public enum FieldValidation
{
    /// <summary>Drop them silently.</summary>
    Ignore,

    /// <summary>Drop them and warn.</summary>
    Warn,

    /// <summary>Refuse the write with 400 BadRequest.</summary>
    Strict,
}

/// <summary>The options of a deletion, as in <c>DeleteOptions</c>.</summary>
public sealed record DeleteRequest
{
    /// <summary>Seconds a pod may take to stop; null means the pod's own terminationGracePeriodSeconds.</summary>
    public long? GracePeriodSeconds { get; init; }

    /// <summary>Background (default), Foreground or Orphan.</summary>
    public string? PropagationPolicy { get; init; }

    /// <summary>The uid the object must have.</summary>
    public string? Uid { get; init; }

    /// <summary>The resourceVersion the object must have.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>Only check.</summary>
    public bool DryRun { get; init; }
}
