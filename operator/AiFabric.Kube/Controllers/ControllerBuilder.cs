using k8s;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;

namespace AiFabric.Kube;

/// <summary>What a controller's registration said, with the services it named resolved.</summary>
internal sealed record ControllerPlan<TEntity>(int Workers, bool StatusChanges, IReadOnlyList<WatchedKind> Watched, IReadOnlyList<IWakeSource> WakeSources)
    where TEntity : class, IKubernetesObject<V1ObjectMeta>;

/// <inheritdoc/>
internal sealed class ControllerBuilder<TEntity>(IServiceCollection services, InformerScope scope) : IControllerBuilder<TEntity>
    where TEntity : class, IKubernetesObject<V1ObjectMeta>
{
    private readonly List<Func<IServiceProvider, WatchedKind>> _watched = [];
    private readonly List<Func<IServiceProvider, IWakeSource>> _wakeSources = [];
    private int _workers = 1;
    private bool _statusChanges;

    public IControllerBuilder<TEntity> Owns<TOwned>(bool optional = false)
        where TOwned : class, IKubernetesObject<V1ObjectMeta> =>
        Watch<TOwned>(OwnerMapping.ToOwner, null, optional);

    public IControllerBuilder<TEntity> Watches<TOther>(Func<TOther, IStore<TEntity>, IEnumerable<NamespacedName>> map, string? labelSelector = null)
        where TOther : class, IKubernetesObject<V1ObjectMeta> =>
        Watch(map, labelSelector, optional: false);

    private ControllerBuilder<TEntity> Watch<TOther>(
        Func<TOther, IStore<TEntity>, IEnumerable<NamespacedName>> map, string? labelSelector, bool optional)
        where TOther : class, IKubernetesObject<V1ObjectMeta>
    {
        services.AddInformer<TOther>(scope.Namespace, labelSelector, optional);
        _watched.Add(provider =>
        {
            var owners = provider.GetRequiredService<IInformer<TEntity>>();
            return new WatchedKind<TOther>(provider.GetRequiredService<IInformer<TOther>>(), other => map(other, owners));
        });
        return this;
    }

    public IControllerBuilder<TEntity> WokenBy<TSource>()
        where TSource : class, IWakeSource
    {
        services.AddSingleton<TSource>();
        _wakeSources.Add(provider => provider.GetRequiredService<TSource>());
        return this;
    }

    public IControllerBuilder<TEntity> WithWorkers(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _workers = count;
        return this;
    }

    public IControllerBuilder<TEntity> WithIndex(string name, Func<TEntity, IEnumerable<string>> values)
    {
        services.AddInformerIndex(name, values);
        return this;
    }

    public IControllerBuilder<TEntity> WithStatusChanges()
    {
        _statusChanges = true;
        return this;
    }

    public ControllerPlan<TEntity> Build(IServiceProvider provider) =>
        new(_workers, _statusChanges, [.. _watched.Select(make => make(provider))], [.. _wakeSources.Select(make => make(provider))]);
}
