using AiFabric.Operator.Hosting;
using AiFabric.Operator.Webhooks.Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AiFabric.Operator.Webhooks;

/// <summary>Adds the admission webhooks to the operator's web host.</summary>
internal static class WebhookRegistration
{
    /// <summary>Registers what the webhooks need, and HTTPS with the certificate of the moment. To be called only when they are enabled.</summary>
    /// <returns>The URL to listen on.</returns>
    public static string AddWebhooks(this WebApplicationBuilder builder, WebhookOptions options)
    {
        builder.Services.AddSingleton<ServedCertificate>();
        builder.Services.TryAddSingleton(CertificateTimes.Default);
        builder.Services.AddSingleton<CertificateKeeper>();
        builder.Services.AddHostedService(provider => provider.GetRequiredService<CertificateKeeper>());
        builder.Services.AddSingleton<WebhookEndpoints>();
        builder.Services.AddHealthChecks().AddCheck<WebhooksReady>("webhooks");
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddOptions<KestrelServerOptions>().Configure<ServedCertificate>((kestrel, served) =>
            kestrel.ConfigureHttpsDefaults(https => https.ServerCertificateSelector = (_, _) => served.Certificate));
        return $"https://*:{options.Port}";
    }

    /// <summary>
    /// Answers reviews on the webhooks' port, and only there: the health port has no TLS. The port is the socket's, for the Host header carries the
    /// Service's.
    /// </summary>
    public static void UseWebhooks(this WebApplication app, WebhookOptions options) =>
        app.MapWhen(context => context.Connection.LocalPort == options.Port, branch =>
        {
            branch.Use((context, next) =>
            {
                context.SetEndpoint(null); // The health port's routes were matched before.
                return next(context);
            });
            branch.UseRouting();
            branch.UseEndpoints(WebhookEndpoints.Map);
        });
}
