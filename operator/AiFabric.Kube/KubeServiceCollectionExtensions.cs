using k8s;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prometheus;

namespace AiFabric.Kube;

/// <summary>Registers the controller runtime, or parts of it.</summary>
public static class KubeServiceCollectionExtensions
{
    /// <summary>
    /// Adds <see cref="IKubernetesClient"/>, over a <see cref="KubernetesClientConfiguration"/> registered before or else
    /// <see cref="KubeConfig.Load"/>. Calling it again changes nothing.
    /// </summary>
    public static IServiceCollection AddKubernetesClient(this IServiceCollection services)
    {
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(_ => new KubeMetrics(Metrics.DefaultRegistry));
        services.TryAddSingleton(_ => KubeConfig.Load());
        services.TryAddSingleton<IKubernetesClient>(provider => new KubernetesClient(
            provider.GetRequiredService<KubernetesClientConfiguration>(), provider.GetRequiredService<KubeMetrics>(),
            provider.GetRequiredService<ILogger<KubernetesClient>>())
        {
            Time = provider.GetRequiredService<TimeProvider>(),
        });
        return services;
    }

    /// <summary>
    /// Adds a shared <see cref="IInformer{T}"/> (also as <see cref="IStore{T}"/>) that the host keeps running. Usable alone: to read, no
    /// operator is needed. Times come from <see cref="InformerOptions"/>.
    /// </summary>
    /// <param name="services">Where to register.</param>
    /// <param name="namespace">Null for all namespaces, or a cluster-scoped kind.</param>
    /// <param name="labelSelector">Null for all objects.</param>
    /// <param name="optional">Whether the API server may lack the kind: see <see cref="IInformer{T}.IsServed"/>.</param>
    /// <exception cref="InvalidOperationException">The kind has an informer with another scope already.</exception>
    public static IServiceCollection AddInformer<T>(
        this IServiceCollection services, string? @namespace = null, string? labelSelector = null, bool optional = false)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var scope = new InformerScope(@namespace, labelSelector, optional);
        InformerRegistration? existing = services.Select(service => service.ImplementationInstance)
            .OfType<InformerRegistration>().FirstOrDefault(registration => registration.Kind == typeof(T));
        if (existing is not null)
        {
            return existing.Scope == scope
                ? services
                : throw new InvalidOperationException(
                    $"{typeof(T).Name} has an informer with {existing.Scope} already, not {scope}; use one scope for all readers.");
        }
        services.AddKubernetesClient();
        services.AddOptions<InformerOptions>().ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton(provider =>
        {
            var informer = new Informer<T>(
                provider.GetRequiredService<IKubernetesClient>(), scope, provider.GetRequiredService<IOptions<InformerOptions>>().Value,
                provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<Informer<T>>>());
            foreach (InformerIndex<T> index in provider.GetServices<InformerIndex<T>>())
                informer.AddIndex(index.Name, index.Values);
            return informer;
        });
        services.AddSingleton<IInformer<T>>(provider => provider.GetRequiredService<Informer<T>>());
        services.AddSingleton<IStore<T>>(provider => provider.GetRequiredService<Informer<T>>());
        services.AddSingleton(new InformerRegistration(typeof(T), scope, provider => provider.GetRequiredService<Informer<T>>()));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, InformerHost>());
        return services;
    }

    /// <summary>
    /// Adds an index to the informer of <typeparamref name="T"/>, wherever that is added. It is there before anything can be read, so all readers
    /// of the kind may ask for it.
    /// </summary>
    /// <param name="services">Where to register.</param>
    /// <param name="name">What <see cref="IStore{T}.ByIndex"/> asks for.</param>
    /// <param name="values">The values under which an object is found. Must be pure.</param>
    public static IServiceCollection AddInformerIndex<T>(this IServiceCollection services, string name, Func<T, IEnumerable<string>> values)
        where T : class, IKubernetesObject<V1ObjectMeta> => services.AddSingleton(new InformerIndex<T>(name, values));

    /// <summary>Adds the controller runtime. Controllers are then added to what it returns.</summary>
    /// <param name="services">Where to register.</param>
    /// <param name="configure">Sets the options; it is called at once and must give the same each time.</param>
    public static IOperatorBuilder AddKubernetesOperator(
        this IServiceCollection services, Action<KubernetesOperatorOptions>? configure = null)
    {
        var options = new KubernetesOperatorOptions();
        configure?.Invoke(options);
        services.AddKubernetesClient();
        services.AddOptions<KubernetesOperatorOptions>().Configure(o => configure?.Invoke(o))
            .ValidateDataAnnotations()
            .Validate(o => o.ResyncPeriod > TimeSpan.Zero, "ResyncPeriod must be positive.")
            .ValidateOnStart();
        services.AddSingleton(Options.Create(options.Informers));
        services.TryAddSingleton<IEventRecorder>(provider => new EventRecorder(
            provider.GetRequiredService<IKubernetesClient>(), options.Name, provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<EventRecorder>>()));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, InformerHost>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, ControllerHost>());
        return new OperatorBuilder(services, new InformerScope(options.Namespace));
    }
}
