using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Gateway;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Streaming;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.AspNetCore.Diagnostics;

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.Services.AddOptions<GatewayOptions>().BindConfiguration(GatewayOptions.Section).ValidateDataAnnotations().ValidateOnStart();
GatewayOptions options = builder.Configuration.GetSection(GatewayOptions.Section).Get<GatewayOptions>() ?? new GatewayOptions();
builder.WebHost.UseUrls(options.Listen);
builder.WebHost.ConfigureKestrel(k =>
{
    k.AddServerHeader = false;
    k.Limits.MaxRequestBodySize = null; // RequestBody enforces the limit and answers in OpenAI's shape
});
builder.Logging.AddSimpleConsole(c => c.SingleLine = true);

builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddKubernetesClient();
builder.Services.AddInformer<V1Pod>(options.Namespace, Labels.Model);
builder.Services.AddInformer<CoServedModel>(options.Namespace);
builder.Services.AddInformer<V1Secret>(options.Namespace, ApiKeyRing.Selector);
builder.Services.AddSingleton<ApiKeyRing>();
builder.Services.AddHttpForwarder();
builder.Services.AddHttpClient<WorkerClient>();
builder.Services.AddSingleton<CompletionForwarder>();
builder.Services.AddSingleton<RouteKeeper>();
builder.Services.AddHostedService(s => s.GetRequiredService<RouteKeeper>());

WebApplication app = builder.Build();
app.UseExceptionHandler(errors => errors.Run(async context =>
{
    if (context.Features.Get<IExceptionHandlerFeature>()?.Error is { } cause)
        Log.Unhandled(app.Logger, cause);
    await new OpenAIError(StatusCodes.Status500InternalServerError, "server_error", "The gateway failed; its log says why.").WriteAsync(context);
}));
app.UseMiddleware<ApiKeyMiddleware>();
app.MapGateway();
await app.RunAsync();
