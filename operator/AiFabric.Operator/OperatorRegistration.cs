using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using AiFabric.Operator.Adapters;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Finetuning.Orders;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Models;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Pipelines;
using AiFabric.Operator.Workers;
using k8s.Models;
using Microsoft.Extensions.Options;
using Prometheus;

namespace AiFabric.Operator;

/// <summary>Registers the operator's controllers and what they need.</summary>
internal static class OperatorRegistration
{
    /// <param name="services">Where to register.</param>
    /// <param name="configuration">Holds the section <see cref="OperatorOptions.Section"/>.</param>
    public static IServiceCollection AddAiFabricOperator(this IServiceCollection services, IConfiguration configuration)
    {
        IConfigurationSection section = configuration.GetSection(OperatorOptions.Section);
        services.AddOptions<OperatorOptions>().Bind(section, binder => binder.ErrorOnUnknownConfiguration = true)
            .ValidateDataAnnotations().ValidateOnStart();
        OperatorOptions early = section.Get<OperatorOptions>() ?? new OperatorOptions();
        AddParts(services);
        IOperatorBuilder builder = services.AddKubernetesOperator(runtime =>
        {
            runtime.Namespace = early.Namespace;
            runtime.ResyncPeriod = TimeSpan.FromMinutes(early.ResyncMinutes);
            runtime.LeaderElection.Enabled = early.LeaderElection;
            runtime.LeaderElection.LeaseNamespace = early.LeaderElectionNamespace;
        });
        AddControllers(builder, Math.Max(1, early.Workers), early.GetPodSelector());
        return services;
    }

    private static void AddParts(IServiceCollection services)
    {
        services.AddSingleton(_ => new OperatorMetrics(Metrics.DefaultRegistry));
        services.AddReferences();
        services.AddSingleton<ControlTokens>();
        services.AddSingleton<WorkerPods>().AddSingleton<LoadingReports>();
        services.AddSingleton<StatusWriter>().AddSingleton<OwnedObjects>();
        services.AddSingleton<FinetuneMemory>();
        // Control requests bound themselves: a PUT may take longer than a GET.
        services.AddSingleton<IWorkerClient>(provider => new WorkerClient(
            Http(Timeout.InfiniteTimeSpan), provider.GetRequiredService<ControlTokens>(), provider.GetRequiredService<IOptions<OperatorOptions>>(),
            provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<OperatorMetrics>()));
        services.AddSingleton<IGatewayDirectory>(provider =>
        {
            var options = provider.GetRequiredService<IOptions<OperatorOptions>>();
            return new GatewayDirectory(
                Http(TimeSpan.FromSeconds(options.Value.RequestTimeoutSeconds)), provider.GetRequiredService<IStore<V1Pod>>(), options,
                provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<OperatorMetrics>());
        });
        services.AddSingleton<ScaleBook>().AddSingleton<ModelObserver>().AddSingleton<ModelExecutor>().AddSingleton<BudgetExecutor>();
        services.AddSingleton<AdapterObserver>().AddSingleton<AdapterExecutor>();
        services.AddSingleton<FinetuneObserver>().AddSingleton<FinetuneExecutor>();
        services.AddSingleton<PipelineObserver>().AddSingleton<PipelineExecutor>();
    }

    private static void AddControllers(IOperatorBuilder builder, int workers, string? pods) => builder
        .AddController<ModelController, CoServedModel>(controller => controller.WithWorkers(workers)
            .Owns<V1Deployment>().Owns<V1Service>().Owns<V1PodDisruptionBudget>(optional: true).WokenBy<DemandPoller>().WokenBy<RouteWatch>()
            .Watches<V1Pod>((pod, _) => WorkerPods.ModelOf(pod) is { } model ? [model] : [], pods))
        .AddController<AdapterController, Adapter>(controller => controller.WithWorkers(workers)
            .Watches<V1Pod>((pod, adapters) => WorkerPods.ModelOf(pod) is { } model ? Keys(adapters.OfModel(model)) : [], pods)
            .Watches<CoServedModel>((model, adapters) => Keys(adapters.OfModel(NamespacedName.Of(model))))
            .Watches<FinetuneJob>((job, adapters) => Keys(adapters.FromJob(NamespacedName.Of(job)))).WokenBy<AdapterRouteWatch>())
        .AddController<FinetuneController, FinetuneJob>(controller => controller.WithWorkers(workers)
            .Watches<V1Pod>((pod, jobs) => WorkerPods.ModelOf(pod) is { } model ? Keys(jobs.OfModel(model)) : [], pods)
            .Watches<CoServedModel>((model, jobs) => Keys(jobs.OfModel(NamespacedName.Of(model))))
            .Watches<Adapter>((adapter, jobs) => Keys(jobs.Making(NamespacedName.Of(adapter)))).WokenBy<OrderTaker>())
        .AddController<PipelineController, Pipeline>(controller => controller.WithWorkers(workers).Owns<V1Deployment>()
            .Watches<V1Pod>((pod, _) => PipelineObserver.PipelineOf(pod) is { } pipeline ? [pipeline] : [], pods)
            .Watches<CoServedModel>((model, pipelines) => Keys(pipelines.Asking(NamespacedName.Of(model))))
            .Watches<Adapter>((adapter, pipelines) => Keys(pipelines.Asking(new NamespacedName(adapter.Metadata.NamespaceProperty, adapter.Spec.ModelRef.Name)))))
        .AddFinalizer<AdapterFinalizer, Adapter>(AdapterFinalizer.Name)
        .AddFinalizer<FinetuneFinalizer, FinetuneJob>(FinetuneFinalizer.Name);

    private static IEnumerable<NamespacedName> Keys<T>(IEnumerable<T> entities)
        where T : class, k8s.IKubernetesObject<V1ObjectMeta> => entities.Select(entity => NamespacedName.Of(entity));

    private static HttpClient Http(TimeSpan timeout) => new(new SocketsHttpHandler
    {
        ConnectTimeout = TimeSpan.FromSeconds(2),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5), // Pods come back under old addresses.
        UseProxy = false,
        AllowAutoRedirect = false,
    })
    { Timeout = timeout };
}
