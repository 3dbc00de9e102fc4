using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Pipelines.Execution;
using AiFabric.Gateway.Routing;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>What executions of runs need.</summary>
public sealed record RunParts(
    RunStore Store, RunTeller Teller, PipelineCatalog Catalog, RouteKeeper Routes, PipelineRunner Runner, IOptions<RunOptions> Options, TimeProvider Time, ILogger<RunKeeper> Log);
