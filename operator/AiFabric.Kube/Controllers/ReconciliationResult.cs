using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>How a reconciliation ended (KubeOps' shape).</summary>
public sealed record ReconciliationResult<TEntity>
    where TEntity : class, IKubernetesObject<V1ObjectMeta>
{
    private ReconciliationResult(TEntity entity, bool isSuccess, string? errorMessage, Exception? error, TimeSpan? requeueAfter)
    {
        ArgumentNullException.ThrowIfNull(entity);
        if (requeueAfter < TimeSpan.Zero)
            throw new ArgumentOutOfRangeException(nameof(requeueAfter), requeueAfter, "A requeue delay cannot be negative; use null for none.");
        Entity = entity;
        IsSuccess = isSuccess;
        ErrorMessage = errorMessage;
        Error = error;
        RequeueAfter = requeueAfter;
    }

    /// <summary>The entity as the reconciliation left it.</summary>
    public TEntity Entity { get; }

    public bool IsSuccess { get; }

    public bool IsFailure => !IsSuccess;

    /// <summary>What went wrong; null after success.</summary>
    public string? ErrorMessage { get; }

    /// <summary>The exception behind a failure, when there is one.</summary>
    public Exception? Error { get; }

    /// <summary>
    /// Reconcile again after this time. Null after success: only when something changes. Null after failure: after the rate
    /// limiter's growing delay.
    /// </summary>
    public TimeSpan? RequeueAfter { get; }

#pragma warning disable CA1000 // KubeOps' shape: ReconciliationResult<T>.Success(entity)
    /// <summary>All is as wanted, or on its way.</summary>
    public static ReconciliationResult<TEntity> Success(TEntity entity, TimeSpan? requeueAfter = null) =>
        new(entity, true, null, null, requeueAfter);

    /// <summary>It did not work and is to be tried again.</summary>
    public static ReconciliationResult<TEntity> Failure(
        TEntity entity, string errorMessage, Exception? error = null, TimeSpan? requeueAfter = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(errorMessage);
        return new(entity, false, errorMessage, error, requeueAfter);
    }
#pragma warning restore CA1000
}
