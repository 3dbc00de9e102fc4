using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Gateway.AsyncRuns;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Finetuning;
using AiFabric.Gateway.Holding;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Limits;
using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Pipelines.Execution;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Shutdown;
using AiFabric.Gateway.Streaming;
using AiFabric.Gateway.Traffic;
using AiFabric.Kube;
using AiFabric.Telemetry;
using k8s.Models;
using Microsoft.AspNetCore.Diagnostics;

namespace AiFabric.Gateway;

/// <summary>Puts the gateway together.</summary>
public static class GatewayHost
{
    /// <param name="args">Settings, such as <c>--Gateway:Listen http://127.0.0.1:8080</c>.</param>
    /// <param name="configure">Registers services before the gateway's own, such as another way to the API server.</param>
    /// <exception cref="InvalidOperationException">No API server is known (on start).</exception>
    public static WebApplication Build(string[] args, Action<IServiceCollection>? configure = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
        configure?.Invoke(builder.Services);
        builder.Services.AddOptions<GatewayOptions>().BindConfiguration(GatewayOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        GatewayOptions options = builder.Configuration.GetSection(GatewayOptions.Section).Get<GatewayOptions>() ?? new GatewayOptions();
        builder.WebHost.UseUrls(options.Listen);
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.AddServerHeader = false;
            k.Limits.MaxRequestBodySize = null; // RequestBody enforces the limit and answers in OpenAI's shape
        });
        // Handlers never block, and a token that changes threads on its way costs more than its copying.
        builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true);
        builder.Logging.AddSimpleConsole(c => c.SingleLine = true)
            .AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("System.Net.Http.HttpClient", LogLevel.Warning);
        builder.AddTracing("aifabric-gateway", PipelineTraces.SourceName);
        AddServices(builder.Services, options);
        builder.Services.AddAsyncRuns(builder.Configuration);

        WebApplication app = builder.Build();
        app.UseExceptionHandler(errors => errors.Run(async context =>
        {
            if (context.Features.Get<IExceptionHandlerFeature>()?.Error is { } cause)
                Log.Unhandled(app.Logger, cause);
            await new OpenAIError(StatusCodes.Status500InternalServerError, "server_error", "The gateway failed; its log says why.").WriteAsync(context);
        }));
        app.UseMiddleware<ApiKeyMiddleware>();
        app.MapFinetuning();
        app.MapAsyncRuns();
        app.MapGateway();
        return app;
    }

    private static void AddServices(IServiceCollection services, GatewayOptions options)
    {
        services.AddKubernetesClient();
        services.AddInformer<V1Pod>(options.Namespace, Labels.Revision); // Workers and functions alike.
        services.AddInformer<CoServedModel>(options.Namespace);
        services.AddInformer<Adapter>(options.Namespace);
        services.AddPipelines(options);
        if (options.RequireApiKeys)
            services.AddInformer<V1Secret>(options.ApiKeysNamespace ?? options.Namespace, ApiKeyRing.Selector);
        if (options.FilesFolder is not null)
        {
            services.AddInformer<FinetuneJob>(options.Namespace);
            services.AddFinetuning();
        }
        services.AddSingleton<ApiKeyRing>();
        services.AddSingleton<LimitKeeper>();
        services.AddHttpClient<WorkerClient>();
        services.AddSingleton<Relay>().AddSingleton<CompletionForwarder>();
        services.AddSingleton<WaitingRoom>();
        services.AddSingleton<TrafficDraw>().AddSingleton<Canaries>().AddSingleton<Mirrors>();
        services.AddHostedService(s => s.GetRequiredService<Mirrors>());
        services.AddSingleton(s =>
        {
            var book = new DemandBook(s.GetRequiredService<TimeProvider>());
            s.GetRequiredService<RouteKeeper>().Published += table => book.Keep(table.Models);
            return book;
        });
        services.AddSingleton<RouteKeeper>();
        services.AddHostedService(s => s.GetRequiredService<RouteKeeper>());
        services.AddSingleton<Drain>();
        services.AddHostedService(s => s.GetRequiredService<Drain>());
        services.Configure<HostOptions>(host =>
            host.ShutdownTimeout = TimeSpan.FromSeconds(options.DrainSeconds + options.ShutdownSeconds) + Drain.ClosingTime);
        services.AddSingleton<Readiness>();
        services.AddSingleton<InternalServer>();
        services.AddHostedService(s => s.GetRequiredService<InternalServer>());
    }
}
