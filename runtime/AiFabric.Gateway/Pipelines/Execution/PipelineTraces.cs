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

    /// <param name="stage">Name of the stage.</param>
    /// <param name="item">Which item of it.</param>
    /// <param name="run">The run's span. Not what is current: a call begins when another brings what it waited for, and is no part of that one.</param>
    internal static Activity? Begin(string stage, ItemPath item, ActivityContext run) => Source.StartActivity("stage " + stage, ActivityKind.Client, run)
        ?.SetTag("aifabric.stage", stage).SetTag("aifabric.item", item.ToString());
}
