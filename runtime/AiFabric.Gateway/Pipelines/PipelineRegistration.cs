using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Holding;
using AiFabric.Gateway.Pipelines.Execution;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Traffic;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Pipelines;

/// <summary>Registers pipelines.</summary>
internal static class PipelineRegistration
{
    /// <summary>While a stage has no room for its tokens, few of them are to lie here unread: then the worker learns of it soon, and decodes no further.</summary>
    private const int UnreadBytes = 16 << 10;

    public static void AddPipelines(this IServiceCollection services, GatewayOptions options)
    {
        services.AddInformer<Pipeline>(options.Namespace);
        services.AddSingleton<PipelineCatalog>().AddSingleton<PipelineRunner>().AddSingleton<PipelineEndpoint>();
        services.AddSingleton(s => new FunctionReplicas(s.GetRequiredService<IStore<V1Pod>>()));
        services.AddSingleton(_ => new FunctionCaller(Http(), Http(keeps: false), new FunctionPlaces()));
        services.AddSingleton(s => new ModelCaller(
            Http(receiveBytes: UnreadBytes), s.GetRequiredService<RouteKeeper>(), s.GetRequiredService<WaitingRoom>(), s.GetRequiredService<DemandBook>(),
            s.GetRequiredService<Canaries>(), s.GetRequiredService<Mirrors>(), s.GetRequiredService<IOptions<GatewayOptions>>()));
    }

    /// <summary>Each call bounds itself. A response that is let go closes its connection at once, by which the other side learns of it.</summary>
    private static HttpClient Http(bool keeps = true, int? receiveBytes = null)
    {
        SocketsHttpHandler handler = WorkerConnections.Handler(receiveBytes);
        handler.PooledConnectionLifetime = keeps ? Timeout.InfiniteTimeSpan : TimeSpan.Zero;
        handler.ResponseDrainTimeout = TimeSpan.Zero;
        return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }
}
