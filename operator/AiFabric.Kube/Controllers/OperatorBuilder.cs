using k8s;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiFabric.Kube;

/// <inheritdoc/>
internal sealed class OperatorBuilder(IServiceCollection services, InformerScope scope) : IOperatorBuilder
{
    public IServiceCollection Services { get; } = services;

    public IOperatorBuilder AddController<TController, TEntity>(Action<IControllerBuilder<TEntity>>? configure = null)
        where TController : class, IEntityController<TEntity>
        where TEntity : class, IKubernetesObject<V1ObjectMeta>
    {
        if (Services.Any(service => service.ServiceType == typeof(IEntityController<TEntity>)))
            throw new InvalidOperationException($"{typeof(TEntity).Name} has a controller already; a kind has one.");
        var builder = new ControllerBuilder<TEntity>(Services, scope);
        configure?.Invoke(builder);
        Services.AddInformer<TEntity>(scope.Namespace);
        Services.AddSingleton<IEntityController<TEntity>, TController>();
        Services.AddSingleton(provider => Loop(provider, builder));
        Services.AddSingleton(new ControllerRegistration(provider => provider.GetRequiredService<ControllerLoop<TEntity>>()));
        return this;
    }

    public IOperatorBuilder AddFinalizer<TFinalizer, TEntity>(string identifier)
        where TFinalizer : class, IEntityFinalizer<TEntity>
        where TEntity : class, IKubernetesObject<V1ObjectMeta>
    {
        if (identifier?.Contains('/', StringComparison.Ordinal) != true)
            throw new ArgumentException($"The finalizer name '{identifier}' needs a domain, such as example.com/name.", nameof(identifier));
        Services.AddSingleton<TFinalizer>();
        Services.AddSingleton(provider => new AttachedFinalizer<TEntity>(identifier, provider.GetRequiredService<TFinalizer>()));
        return this;
    }

    public IOperatorBuilder AddInformer<T>()
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        Services.AddInformer<T>(scope.Namespace);
        return this;
    }

    private static ControllerLoop<TEntity> Loop<TEntity>(IServiceProvider provider, ControllerBuilder<TEntity> builder)
        where TEntity : class, IKubernetesObject<V1ObjectMeta>
    {
        var informer = provider.GetRequiredService<IInformer<TEntity>>();
        var reconciler = new EntityReconciler<TEntity>(
            provider.GetRequiredService<IEntityController<TEntity>>(), [.. provider.GetServices<AttachedFinalizer<TEntity>>()], informer,
            new FinalizerWriter(provider.GetRequiredService<IKubernetesClient>()));
        return new(
            builder.Build(provider), informer, reconciler, provider.GetRequiredService<IOptions<KubernetesOperatorOptions>>().Value,
            provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<KubeMetrics>(),
            provider.GetRequiredService<ILogger<ControllerLoop<TEntity>>>());
    }
}

/// <summary>A controller the host runs.</summary>
internal sealed record ControllerRegistration(Func<IServiceProvider, IRunnable> Resolve);
