using System.Collections;
using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace AiFabric.Telemetry;

/// <summary>Spans for an OpenTelemetry collector.</summary>
public static class Tracing
{
    private const string Prefix = "OTEL_";

    private static readonly string[] Endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

    /// <summary>
    /// Sends the spans of clients' requests, of the calls made for them and of <paramref name="sources"/> by OTLP, if the environment names where to: the variables <c>OTEL_…</c> of OpenTelemetry's
    /// specification (OTLP exporter, batch processor, sampler, resource) hold. Without an endpoint nothing listens, and no span is made.
    /// </summary>
    /// <param name="builder">Its configuration goes before the environment.</param>
    /// <param name="service">Name of the service where <c>OTEL_SERVICE_NAME</c> says no other.</param>
    /// <param name="sources">Activity sources besides.</param>
    /// <exception cref="InvalidOperationException">The endpoint is no absolute http or https address.</exception>
    public static void AddTracing(this WebApplicationBuilder builder, string service, params string[] sources)
    {
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            if (variable is { Key: string name, Value: string value } && name.StartsWith(Prefix, StringComparison.Ordinal))
                builder.Configuration[name] ??= value;
        }
        if (Endpoints.Any(name => IsAddress(name, builder.Configuration[name])))
            Listen(builder.Services, service, sources);
    }

    // Of its own, so that who sends nothing does not load the libraries.
    private static void Listen(IServiceCollection services, string service, string[] sources) => services.AddOpenTelemetry()
        .ConfigureResource(resource => resource.Clear().AddService(service).AddTelemetrySdk().AddEnvironmentVariableDetector()) // The environment has the last word.
        .WithTracing(tracing => tracing
            .AddSource(sources)
            .AddAspNetCoreInstrumentation(requests => requests.Filter = context => HttpMethods.IsPost(context.Request.Method)) // Probes, scrapes and lists come every second and would bury the rest.
            .AddHttpClientInstrumentation(calls => calls.FilterHttpRequestMessage = _ => Activity.Current is { ParentSpanId: var parent } && parent != default) // Not what is asked for no request.
            .AddOtlpExporter());

    private static bool IsAddress(string name, string? value) => value is { Length: > 0 }
        && (Uri.TryCreate(value, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
            ? true
            : throw new InvalidOperationException($"{name} is '{value}'; it must be an absolute address such as http://collector:4317."));
}
