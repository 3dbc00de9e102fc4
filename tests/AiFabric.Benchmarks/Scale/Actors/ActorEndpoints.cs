using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiFabric.Crds.Common;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace AiFabric.Benchmarks.Scale.Actors;

/// <summary>
/// Plays all workers' control ports, each on its pod's own address, and the one gateway, which routes to every ready pod. One process answers
/// for all; tokens are not checked.
/// </summary>
internal sealed class ActorEndpoints : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ActorKubelet _kubelet;
    private readonly Lock _lock = new();
    private byte[] _routes = [];
    private int _routesVersion = -1;
    private int _adaptersVersion;

    private ActorEndpoints(ActorKubelet kubelet, ScaleOptions options, int pods)
    {
        _kubelet = kubelet;
        GatewayUrl = string.Create(CultureInfo.InvariantCulture, $"http://127.{options.Network}.255.1:8080");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            for (int i = 0; i < pods; i++)
                kestrel.Listen(IPAddress.Parse(ActorKubelet.Address(options.Network, i)), Ports.ControlNumber);
            kestrel.Listen(IPAddress.Parse(new Uri(GatewayUrl).Host), 8080);
        });
        _app = builder.Build();
        _app.Run(AnswerAsync);
    }

    public string GatewayUrl { get; }

    /// <param name="kubelet">Knows the pods.</param>
    /// <param name="options">Addresses.</param>
    /// <param name="pods">So many addresses are listened on.</param>
    public static async Task<ActorEndpoints> StartAsync(ActorKubelet kubelet, ScaleOptions options, int pods)
    {
        var endpoints = new ActorEndpoints(kubelet, options, pods);
        await endpoints._app.StartAsync();
        return endpoints;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        string[] path = context.Request.Path.Value?.Split('/', StringSplitOptions.RemoveEmptyEntries) ?? [];
        if (path is ["internal", "routes"])
        {
            context.Response.ContentType = "application/json";
            await context.Response.Body.WriteAsync(Routes());
            return;
        }
        ActorPod? pod = _kubelet.At(context.Connection.LocalIpAddress?.ToString() ?? string.Empty);
        if (pod is null || path is not ["control", _, ..])
            context.Response.StatusCode = StatusCodes.Status404NotFound;
        else
            await ControlAsync(context, pod, path[1], path.ElementAtOrDefault(2) ?? string.Empty);
    }

    private async Task ControlAsync(HttpContext context, ActorPod pod, string what, string name)
    {
        switch (context.Request.Method, what)
        {
            case ("GET", "load"):
                await OkAsync(context, pod.Load(), ControlJson.Default.LoadReport);
                break;
            case ("GET", "adapters"):
                await OkAsync(context, pod.Adapters(), ControlJson.Default.AdapterList);
                break;
            case ("PUT", "adapters"):
                await OkAsync(
                    context, pod.PutAdapter(name, (await context.Request.ReadFromJsonAsync(ControlJson.Default.AdapterRequest))!), ControlJson.Default.AdapterStatus);
                Interlocked.Increment(ref _adaptersVersion);
                break;
            case ("DELETE", "adapters"):
                pod.DeleteAdapter(name);
                Interlocked.Increment(ref _adaptersVersion);
                context.Response.StatusCode = StatusCodes.Status204NoContent;
                break;
            case ("PUT", "training"):
                await OkAsync(
                    context, pod.PutTraining(name, (await context.Request.ReadFromJsonAsync(ControlJson.Default.TrainingRequest))!),
                    ControlJson.Default.TrainingStatus);
                break;
            case ("GET", "training"):
                await OkAsync(context, pod.Training(name), ControlJson.Default.TrainingStatus);
                break;
            case ("DELETE", "training"):
                pod.DeleteTraining(name);
                context.Response.StatusCode = StatusCodes.Status204NoContent;
                break;
            default:
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                break;
        }
    }

    private static Task OkAsync<T>(HttpContext context, T? body, JsonTypeInfo<T> type)
        where T : class
    {
        if (body is not null)
            return context.Response.WriteAsJsonAsync(body, type);
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    /// <summary>Written anew only when something changed, so that the actor costs little of the machine that is measured.</summary>
    private byte[] Routes()
    {
        lock (_lock)
        {
            int version = _kubelet.Version + Volatile.Read(ref _adaptersVersion);
            if (version != _routesVersion)
            {
                var report = new RouteReport { Routes = [.. _kubelet.Ready.Select(pod => pod.Route())] };
                (_routes, _routesVersion) = (JsonSerializer.SerializeToUtf8Bytes(report, ControlJson.Default.RouteReport), version);
            }
            return _routes;
        }
    }
}
