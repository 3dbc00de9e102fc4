using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Finetuning;
using AiFabric.Gateway.Finetuning.Files;
using AiFabric.Gateway.Finetuning.Orders;
using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Pipelines.Execution;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Shutdown;
using AiFabric.Gateway.Traffic;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using Microsoft.Extensions.Options;
using Prometheus;

namespace AiFabric.Gateway.Http;

/// <summary>
/// What operator, kubelet and Prometheus ask, on a port of its own: clients cannot reach it through the public port, whatever they write into a Host
/// header. It starts before the public port and stops after it, so that a replica can be asked while its last streams run out.
/// </summary>
public sealed class InternalServer(
    RouteKeeper routes, PipelineCatalog pipelines, FunctionReplicas functions, DemandBook demand, Readiness readiness, Drain drain, IOptions<GatewayOptions> options,
    ILoggerFactory loggers, FileStore? files = null, OrderKeeper? orders = null) : IHostedService, IAsyncDisposable
{
    private WebApplication? _app;

    /// <summary>The first address it listens on.</summary>
    /// <exception cref="InvalidOperationException">It has not started.</exception>
    public Uri Address => new((_app ?? throw new InvalidOperationException("the internal server has not started")).Urls.First());

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.AddServerHeader = false).UseUrls(options.Value.InternalListen);
        builder.Services.AddRoutingCore().AddSingleton(loggers);
        _app = builder.Build();
        _app.MapGet("/internal/routes", () => Results.Json(Report(routes.Table), ControlJson.Default.RouteReport));
        _app.MapGet("/internal/demand", () => Results.Json(demand.Report(), ControlJson.Default.DemandReport));
        // The preStop hook: it answers when the kubelet may send SIGTERM.
        _app.MapGet("/internal/drain", async () =>
        {
            await drain.LingerAsync();
            return Results.Text("drained");
        });
        _app.MapGet("/healthz", () => Results.Text("ok"));
        _app.MapGet("/readyz", () => readiness.Missing() is { } missing
            ? Results.Text(missing, statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Text("ok"));
        if (files is not null && orders is not null)
            FinetuningEndpoints.MapInternal(_app, files, orders);
        // Those of .NET's own meters and counters would cost each request more than all that the gateway does for it, and the gateway's metrics say the same (docs/benchmarks/gateway.md).
        Metrics.SuppressDefaultMetrics(new SuppressDefaultMetricOptions { SuppressMeters = true, SuppressEventCounters = true });
        _app.MapMetrics();
        await _app.StartAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => _app?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    private RouteReport Report(RoutingTable table) => new()
    {
        Routes = [.. table.Workers.Select(w => new RouteEntry
        {
            Namespace = w.Pod.Model.Namespace,
            Pod = w.Pod.Name,
            PodUid = w.Pod.Uid,
            Model = w.Pod.Model.Name,
            ServedName = w.Pod.ServedName,
            Revision = w.Pod.Revision,
            Adapters = w.Adapters,
        })],
        Pipelines = [.. pipelines.All.OrderBy(p => p.Key.Namespace, StringComparer.Ordinal).ThenBy(p => p.Key.Name, StringComparer.Ordinal).Select(p => new PipelineEntry
        {
            Namespace = p.Key.Namespace,
            Name = p.Key.Name,
            Generation = p.Generation,
            Functions = [.. p.Compiled.Spec.Stages.Where(stage => stage.FunctionRef is not null)
                .SelectMany(stage => functions.Of(p.Key, stage.Name)).Select(replica => replica.Uid).Order(StringComparer.Ordinal)],
        })],
        Traffic = TrafficReport.Of(table),
    };
}
