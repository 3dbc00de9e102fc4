using AiFabric.Operator.Webhooks;
using Prometheus;

namespace AiFabric.Operator.Hosting;

/// <summary>Puts the operator's process together: controllers, health, metrics, and the webhooks where they are enabled.</summary>
internal static class OperatorHost
{
    public static WebApplication Build(WebApplicationBuilder builder)
    {
        builder.Services.AddAiFabricOperator(builder.Configuration);
        builder.Services.AddHealthChecks().AddCheck<CachesReady>("caches");
        OperatorOptions early = builder.Configuration.GetSection(OperatorOptions.Section).Get<OperatorOptions>() ?? new OperatorOptions();
        builder.WebHost.UseUrls(early.Webhooks.Enabled ? [early.ListenUrl, builder.AddWebhooks(early.Webhooks)] : [early.ListenUrl]);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(20));

        WebApplication app = builder.Build();
        if (early.Webhooks.Enabled)
            app.UseWebhooks(early.Webhooks);
        // Live: the process answers. Ready: the caches are filled, so that decisions rest on the cluster as it is.
        app.MapGet("/healthz", () => "ok");
        app.MapHealthChecks("/readyz");
        app.MapMetrics("/metrics");
        return app;
    }
}
