using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>
/// Reads and writes objects of any kind that carries a <see cref="KubernetesEntityAttribute"/>, over plain HTTP. An answer
/// other than success is a <see cref="KubernetesApiException"/>; a connection that fails, or a server
/// that does not answer in time, is an <see cref="HttpRequestException"/>.
/// </summary>
/// <remarks>The namespace argument is null for cluster-scoped kinds, and in lists and watches for "all namespaces".</remarks>
public interface IKubernetesClient
{
    /// <summary>Where the API server answers.</summary>
    Uri BaseUri { get; }

    /// <summary>Reads one object.</summary>
    /// <returns>The object; null when there is none of that name.</returns>
    Task<T?> GetAsync<T>(string name, string? @namespace = null, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Reads all objects, page by page.</summary>
    Task<IReadOnlyList<T>> ListAsync<T>(
        string? @namespace = null, string? labelSelector = null, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Reads one page of a list.</summary>
    Task<ResourcePage<T>> ListPageAsync<T>(ListQuery query, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>
    /// Watches from <see cref="WatchQuery.ResourceVersion"/> on. The sequence ends when the server closes the connection.
    /// </summary>
    /// <exception cref="KubernetesApiException">The server refused the watch or sent an ERROR event (410: list again).</exception>
    IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(WatchQuery query, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Creates <paramref name="entity"/>.</summary>
    /// <exception cref="KubernetesApiException"><see cref="KubernetesApiException.IsAlreadyExists"/>, or refused.</exception>
    Task<T> CreateAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Replaces an object, all but its status. A set resourceVersion must still be the current one.</summary>
    Task<T> UpdateAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Replaces an object's status through the status subresource.</summary>
    Task<T> UpdateStatusAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>
    /// Server-side apply: says that <paramref name="fieldManager"/> wants exactly the fields set in <paramref name="entity"/>.
    /// Status, managedFields and the server's own metadata (uid, generation, creationTimestamp) are left out; a set resourceVersion must
    /// still be the current one.
    /// </summary>
    /// <param name="entity">Name, namespace and the fields to own; null fields are not sent.</param>
    /// <param name="fieldManager">A stable name for the writer.</param>
    /// <param name="force">Takes over fields that another manager owns. Controllers do; false turns such a field into a conflict.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<T> ApplyAsync<T>(
        T entity, string fieldManager = FieldManagers.Operator, bool force = true, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Server-side apply of the status alone, through the status subresource, by a manager of its own.</summary>
    /// <remarks>
    /// Send no empty strings in a custom resource: a 1.20 server takes them for null and refuses the object. A condition's
    /// message, which is required, needs at least a word.
    /// </remarks>
    Task<T> ApplyStatusAsync<T>(
        T entity, string fieldManager = FieldManagers.OperatorStatus, bool force = true, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Merge patch (RFC 7396). Put the resourceVersion into the patch to make it conditional.</summary>
    Task<T> PatchAsync<T>(
        string name, string? @namespace, JsonObject mergePatch, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Deletes an object. One that is not there counts as deleted.</summary>
    /// <exception cref="KubernetesApiException"><see cref="KubernetesApiException.IsConflict"/> when a precondition failed.</exception>
    Task DeleteAsync<T>(
        string name, string? @namespace = null, DeleteQuery? query = null, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Deletes exactly <paramref name="entity"/>: one of the same name with another uid is left alone (a conflict).</summary>
    Task DeleteAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>;
}

/// <summary>The stable names under which this project's writers own fields.</summary>
public static class FieldManagers
{
    /// <summary>Owns what the operator declares: metadata and spec.</summary>
    public const string Operator = "aifabric-operator";

    /// <summary>Owns what the operator observed: status.</summary>
    public const string OperatorStatus = "aifabric-operator-status";
}
