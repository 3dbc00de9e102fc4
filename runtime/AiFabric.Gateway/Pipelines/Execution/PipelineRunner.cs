using AiFabric.Gateway.Routing;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>What a run may need from outside: models, functions, other pipelines, a clock.</summary>
public sealed class PipelineRunner(
    PipelineCatalog catalog, ModelCaller models, FunctionCaller functions, FunctionReplicas replicas, IOptions<GatewayOptions> options, TimeProvider time,
    ILogger<PipelineRunner> log)
{
    /// <summary>How deep pipelines may call each other: the operator refuses circles, and this ends one that it has not seen yet.</summary>
    internal const int MaxDepth = 8;

    internal ModelCaller Models => models;

    internal FunctionCaller Functions => functions;

    internal TimeProvider Time => time;

    internal ILogger Logger => log;

    /// <summary>Replicas tried for one call.</summary>
    internal int Attempts => options.Value.Attempts;

    /// <summary>Runs a pipeline for one request; the run goes on as fast as its output is taken.</summary>
    /// <param name="pipeline">What is run.</param>
    /// <param name="request">The client's text.</param>
    /// <param name="context">The client's request.</param>
    /// <param name="withStages">Whether the stages' own results are wanted too.</param>
    /// <param name="cancellationToken">Ends the run, and all calls of it, when the client leaves.</param>
    public IAsyncEnumerable<RunOutput> RunAsync(
        ServedPipeline pipeline, string request, RunContext context, bool withStages, CancellationToken cancellationToken) =>
        RunAsync(pipeline, request, context, withStages, depth: 1, cancellationToken);

    internal IAsyncEnumerable<RunOutput> RunAsync(
        ServedPipeline pipeline, string request, RunContext context, bool withStages, int depth, CancellationToken cancellationToken) =>
        new PipelineExecution(this, pipeline, context, withStages, depth).RunAsync(request, cancellationToken);

    internal ServedPipeline? Get(ModelKey key) => catalog.Get(key);

    internal IReadOnlyList<FunctionReplica> ReplicasOf(ModelKey pipeline, string stage) => replicas.Of(pipeline, stage);
}
