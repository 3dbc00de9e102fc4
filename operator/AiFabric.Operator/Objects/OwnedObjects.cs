using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Objects;

/// <summary>
/// Writes what the operator owns. That the API server refuses an object (a quota, a policy, its own validation) is an answer and no failure: its owner's
/// status tells it, everything else goes on, and the next look tries again.
/// </summary>
internal sealed class OwnedObjects(IKubernetesClient client, OperatorMetrics metrics)
{
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(1);

    /// <summary>The time until a refused object is tried again, for nobody tells when a quota or a policy changes.</summary>
    /// <param name="steady">The time until the next look at an object that is as wanted.</param>
    public static TimeSpan Retry(TimeSpan steady) => steady < LongestRetry ? steady : LongestRetry;

    /// <summary>What to say of a refusal.</summary>
    /// <param name="what">What was to be written, such as <c>Deployment demo</c>.</param>
    /// <param name="refusal">The answer; see <see cref="KubernetesApiException.IsRefusal"/>.</param>
    public static Check Refused(string what, KubernetesApiException refusal) =>
        Check.Fail(Reasons.ObjectRefused, $"the API server refuses {what}: {Check.Quote(refusal.Status?.Message ?? refusal.Message)}");

    /// <summary>Applies an object; null when there is none to apply.</summary>
    /// <returns>Passes, or says what the API server refused.</returns>
    /// <exception cref="KubernetesApiException">Another answer than a refusal.</exception>
    public Task<Check> ApplyAsync<T>(T? wanted, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        WriteAsync(wanted, string.Empty, entity => client.ApplyAsync(entity, cancellationToken: cancellationToken));

    /// <summary>Deletes an object; null when there is none to delete.</summary>
    /// <returns>Passes, or says what the API server refused.</returns>
    /// <exception cref="KubernetesApiException">Another answer than a refusal.</exception>
    public Task<Check> DeleteAsync<T>(T? unwanted, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        WriteAsync(unwanted, "the deletion of ", entity => client.DeleteAsync(entity, cancellationToken));

    private async Task<Check> WriteAsync<T>(T? entity, string what, Func<T, Task> write)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (entity is null)
            return Check.Pass;
        string kind = ResourceType.Of<T>().Kind;
        try
        {
            await write(entity);
        }
        catch (KubernetesApiException e) when (e.IsRefusal)
        {
            return Refused($"{what}{kind} {entity.Metadata.Name}", e);
        }
        metrics.ObjectWrites.WithLabels(kind).Inc();
        return Check.Pass;
    }
}
