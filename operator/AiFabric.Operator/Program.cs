using AiFabric.Operator;
using AiFabric.Operator.Hosting;
using AiFabric.Operator.Webhooks;
using Microsoft.Extensions.Options;
using Prometheus;

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.AddSimpleConsole(console => console.SingleLine = true)
    .AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("System.Net.Http.HttpClient", LogLevel.Warning);
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
try
{
    await app.RunAsync();
    return 0;
}
catch (OptionsValidationException e)
{
    Log.SettingsRefused(app.Logger, string.Join("; ", e.Failures));
    return 2;
}
