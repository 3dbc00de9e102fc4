using AiFabric.Gateway.AsyncRuns.Storage;
using Dapr.Client;
using Grpc.Net.Client;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>Registers asynchronous runs.</summary>
internal static class RunRegistration
{
    /// <summary>Largest document that is read, bytes: Dapr's own limit is 4 MiB unless it is told otherwise.</summary>
    private const int MaxMessageBytes = 16 << 20;

    public static void AddAsyncRuns(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<RunOptions>().BindConfiguration(GatewayOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        RunOptions options = configuration.GetSection(GatewayOptions.Section).Get<RunOptions>() ?? new RunOptions();
        if (!options.HasRuns)
            return;
        if (options.RunsStateStore is not null || options.RunsPubSub is not null)
            services.AddSingleton(_ => Sidecar(options));
        services.AddSingleton(s => Documents(s, s.GetRequiredService<IOptions<RunOptions>>().Value));
        services.AddSingleton<RunStore>().AddSingleton<RunTeller>().AddSingleton<RunReader>().AddSingleton<RunFeed>().AddSingleton<RunParts>().AddSingleton<RunKeeper>();
        services.AddHostedService(s => s.GetRequiredService<RunKeeper>());
    }

    private static IDocuments Documents(IServiceProvider services, RunOptions options)
    {
        TimeProvider time = services.GetRequiredService<TimeProvider>();
        return options.RunsStateStore is { } store
            ? new DaprDocuments(services.GetRequiredService<DaprClient>(), store, options.Patience, time)
            : new SqliteDocuments(options.RunsFolder!, time); // one of both
    }

    /// <summary>Dapr's client reads what Dapr sets in a pod (<c>DAPR_GRPC_PORT</c>, <c>DAPR_API_TOKEN</c>) and connects when it is first asked.</summary>
    private static DaprClient Sidecar(RunOptions options)
    {
        DaprClientBuilder builder = new DaprClientBuilder().UseGrpcChannelOptions(
            new GrpcChannelOptions { MaxReceiveMessageSize = MaxMessageBytes, MaxSendMessageSize = MaxMessageBytes, ThrowOperationCanceledOnCancellation = true });
        if (options.RunsDaprEndpoint is { } endpoint)
            builder.UseGrpcEndpoint(endpoint.ToString());
        return builder.Build();
    }
}
