using k8s;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;

namespace AiFabric.Kube;

/// <summary>Registers controllers, finalizers and caches.</summary>
public interface IOperatorBuilder
{
    IServiceCollection Services { get; }

    /// <summary>
    /// Runs <typeparamref name="TController"/> (a singleton) for all objects of <typeparamref name="TEntity"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">The kind has a controller already.</exception>
    IOperatorBuilder AddController<TController, TEntity>(Action<IControllerBuilder<TEntity>>? configure = null)
        where TController : class, IEntityController<TEntity>
        where TEntity : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>
    /// Attaches a finalizer to all objects of <typeparamref name="TEntity"/> before their first reconciliation and detaches it when
    /// <typeparamref name="TFinalizer"/> (a singleton) is done. The kind needs a controller.
    /// </summary>
    /// <param name="identifier">A domain-qualified name, such as <c>example.com/release-address</c>.</param>
    IOperatorBuilder AddFinalizer<TFinalizer, TEntity>(string identifier)
        where TFinalizer : class, IEntityFinalizer<TEntity>
        where TEntity : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Adds a shared <see cref="IInformer{T}"/> to read from, in the operator's namespace.</summary>
    IOperatorBuilder AddInformer<T>()
        where T : class, IKubernetesObject<V1ObjectMeta>;
}

/// <summary>Says what makes a controller look at an object again.</summary>
public interface IControllerBuilder<TEntity>
    where TEntity : class, IKubernetesObject<V1ObjectMeta>
{
    /// <summary>
    /// Reconcile the owner when an object of <typeparamref name="TOwned"/> changes whose controller ownerReference names a
    /// <typeparamref name="TEntity"/>. Adds a shared <see cref="IInformer{T}"/> of that kind.
    /// </summary>
    /// <param name="optional">Whether the API server may lack the kind: see <see cref="IInformer{T}.IsServed"/>.</param>
    IControllerBuilder<TEntity> Owns<TOwned>(bool optional = false)
        where TOwned : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Reconcile the objects that <paramref name="map"/> names when an object of <typeparamref name="TOther"/> changes.</summary>
    /// <param name="map">The changed object and the cache of <typeparamref name="TEntity"/> → keys to reconcile. Must be pure and quick.</param>
    /// <param name="labelSelector">Which objects of the kind are cached, the same for all who watch it; null for all.</param>
    IControllerBuilder<TEntity> Watches<TOther>(Func<TOther, IStore<TEntity>, IEnumerable<NamespacedName>> map, string? labelSelector = null)
        where TOther : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Reconcile the objects that <typeparamref name="TSource"/> (a singleton) names while the controller runs.</summary>
    IControllerBuilder<TEntity> WokenBy<TSource>()
        where TSource : class, IWakeSource;

    /// <summary>How many objects are reconciled at the same time (1 or more; default 1).</summary>
    IControllerBuilder<TEntity> WithWorkers(int count);

    /// <summary>Adds an index to the cache of <typeparamref name="TEntity"/>, for all its readers.</summary>
    IControllerBuilder<TEntity> WithIndex(string name, Func<TEntity, IEnumerable<string>> values);

    /// <summary>
    /// Reconcile also when only the status changed. Without this a change counts when it touches generation, labels, annotations,
    /// finalizers or the deletion mark, so that a controller does not answer its own status writes.
    /// </summary>
    IControllerBuilder<TEntity> WithStatusChanges();
}
