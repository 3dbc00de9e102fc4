using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy.Forwarder;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>YARP between client and worker and nothing else, set up as the gateway is: what of the gateway's cost its platform has.</summary>
internal static class BareProxy
{
    /// <summary>Serves until it is stopped.</summary>
    public static async Task RunAsync(int port, int upstream, CancellationToken cancellationToken)
    {
        Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore().AddHttpForwarder();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port)).UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true);
        WebApplication app = builder.Build();
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, ActivityHeadersPropagator = new ReverseProxyPropagator(DistributedContextPropagator.Current) });
        app.MapForwarder("/{**any}", string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{upstream}"), ForwarderRequestConfig.Empty, HttpTransformer.Default, http);
        await app.StartAsync(cancellationToken);
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }
}
