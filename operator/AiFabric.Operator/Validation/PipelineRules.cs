using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Storage;

namespace AiFabric.Operator.Validation;

/// <summary>Rules for Pipelines. How the stages hang together is <see cref="PipelineShape"/>'s matter, by which the gateways run them.</summary>
internal static class PipelineRules
{
    private const int MaxName = 63;

    public static RuleSet<Pipeline> All { get; } = new(
        [
            new("metadata.name", pipeline => Names.IsServiceName(pipeline.Metadata.Name)
                ? null
                : "must start with a letter and have at most 63 of a-z, 0-9 and '-', for clients ask for it and labels carry it"),
            new("spec.stages.name", pipeline => First(pipeline, stage => stage.FunctionRef is not null && FullName(pipeline, stage).Length > MaxName
                ? $"with the pipeline's name in front has more than {MaxName} characters, and the function's Deployment could not carry it"
                : null)),
            Mirror("spec.stages", "set exactly one of modelRef, functionRef, pipelineRef, split, join and filter", stage => Kinds(stage) == 1),
            Mirror("spec.stages.name", "the name request stands for the client's text", stage => stage.Name != PipelineShape.Request),
            Mirror(
                "spec.stages.prompt", "prompt, system and parameters are for modelRef",
                stage => stage.ModelRef is not null || (stage.Prompt is null && stage.System is null && stage.Parameters is null)),
            Mirror("spec.stages.aggregation", "aggregation is for functionRef", stage => stage.FunctionRef is not null || stage.Aggregation is null),
            Mirror("spec.stages.split", "delimiter is for by: Delimiter", stage => stage.Split?.Delimiter is null || stage.Split.By == CutBy.Delimiter),
            Mirror("spec.stages.join", "count goes with policy: Count", stage => stage.Join?.Count is not null == (stage.Join?.Policy == JoinPolicy.Count)),
            Mirror(
                "spec.stages.filter", "set exactly one of startsWith and contains",
                stage => stage.Filter is null || stage.Filter.StartsWith is null != stage.Filter.Contains is null),
            Mirror(
                "spec.stages.inputs.delimiter", "delimiter is for emit: Delimiter",
                stage => (stage.Inputs ?? []).All(input => input.Delimiter is null || input.Emit == EmitBy.Delimiter)),
            Mirror(
                "spec.stages.inputs.join", "join: Count needs a join stage, which has a count",
                stage => (stage.Inputs ?? []).All(input => input.Join != JoinPolicy.Count)),
            new("spec", pipeline => PipelineShape.Of(pipeline.Spec).Problems is { Count: > 0 } problems
                ? string.Join("; ", problems.Select(problem => $"{problem.Field}: {problem.Message}"))
                : null),
        ],
        []);

    /// <summary>Name of the Deployment of a function stage.</summary>
    public static string FullName(Pipeline pipeline, StageSpec stage) => $"{pipeline.Metadata.Name}-{stage.Name}";

    private static int Kinds(StageSpec stage) =>
        new object?[] { stage.ModelRef, stage.FunctionRef, stage.PipelineRef, stage.Split, stage.Join, stage.Filter }.Count(kind => kind is not null);

    private static Rule<Pipeline> Mirror(string field, string message, Func<StageSpec, bool> holds) =>
        new(field, pipeline => First(pipeline, stage => holds(stage) ? null : message), CelMessage: message);

    private static string? First(Pipeline pipeline, Func<StageSpec, string?> broken) => pipeline.Spec.Stages
        .Select(stage => broken(stage) is { } message ? $"stage '{stage.Name}': {message}" : null).FirstOrDefault(message => message is not null);
}
