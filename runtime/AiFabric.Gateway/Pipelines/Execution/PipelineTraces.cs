using System.Diagnostics;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Routing;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>Spans of runs and of the calls in them, for whoever listens to the source <c>AiFabric.Gateway.Pipelines</c>.</summary>
public static class PipelineTraces
{
    public const string SourceName = "AiFabric.Gateway.Pipelines";

    private static readonly ActivitySource Source = new(SourceName);

    internal static Activity? Begin(ModelKey pipeline, string run) => Source.StartActivity("pipeline " + pipeline.Name)
        ?.SetTag("aifabric.pipeline", $"{pipeline.Namespace}/{pipeline.Name}").SetTag("aifabric.run", run);

    internal static Activity? Begin(string stage, ItemPath item) => Source.StartActivity("stage " + stage, ActivityKind.Client)
        ?.SetTag("aifabric.stage", stage).SetTag("aifabric.item", item.ToString());
}
