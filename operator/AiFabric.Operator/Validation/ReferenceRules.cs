using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Models;
using AiFabric.Operator.Pipelines;

namespace AiFabric.Operator.Validation;

/// <summary>The objects of one namespace, as far as they are known.</summary>
internal sealed record Surroundings(
    IReadOnlyList<CoServedModel> Models, IReadOnlyList<Adapter> Adapters, IReadOnlyList<FinetuneJob> Jobs)
{
    public IReadOnlyList<Pipeline> Pipelines { get; init; } = [];
}

/// <summary>
/// Checks that need other objects, for which a schema's rules are blind. Pure. References lead from an Adapter to a FinetuneJob and from both to a
/// CoServedModel, never back; Pipelines name each other, CoServedModels their canaries and mirrors, and circles of them are refused.
/// </summary>
internal static class ReferenceRules
{
    public static Findings Of(CoServedModel model, Surroundings around)
    {
        string served = PodTemplateBuilder.ServedName(model);
        string? other = around.Models
            .Where(candidate => candidate.Metadata.Name != model.Metadata.Name && candidate.Metadata.DeletionTimestamp is null
                && PodTemplateBuilder.ServedName(candidate) == served)
            .Select(candidate => candidate.Metadata.Name)
            .Order(StringComparer.Ordinal)
            .FirstOrDefault();
        Dictionary<string, CoServedModel> known = around.Models.ToDictionary(candidate => candidate.Metadata.Name);
        var refusals = new List<Violation>();
        if (other is not null)
            refusals.Add(new("spec.model.name", $"CoServedModel {other} of this namespace is served as '{served}' already: choose another name"));
        if (TrafficShape.Circle(model, known) is { } circle)
            refusals.Add(new("spec.routing", $"canaries and mirrors lead in a circle: {circle}"));
        IEnumerable<Violation> warnings = TrafficShape.Of(model).Select(traffic => traffic.ModelRef.Name)
            .Where(name => name != model.Metadata.Name && !known.ContainsKey(name))
            .Select(name => new Violation("spec.routing", $"CoServedModel {name} does not exist yet"));
        return new(refusals, [.. warnings]);
    }

    public static Findings Of(Adapter adapter, Surroundings around)
    {
        var warnings = new List<Violation>();
        string name = adapter.Spec.ModelRef.Name;
        CoServedModel? model = around.Models.FirstOrDefault(candidate => candidate.Metadata.Name == name);
        if (model is null)
            warnings.Add(new("spec.modelRef.name", $"CoServedModel {name} does not exist yet"));
        else if (model.Spec.Lora?.MaxAdapters == 0)
            warnings.Add(new("spec.modelRef.name", $"CoServedModel {name} has lora.maxAdapters 0 and loads no adapter"));
        if (adapter.Spec.Source.FinetuneJobRef is { } reference && around.Jobs.All(job => job.Metadata.Name != reference.Name))
            warnings.Add(new("spec.source.finetuneJobRef.name", $"FinetuneJob {reference.Name} does not exist yet"));
        return new(AdapterNameTaken(adapter, around.Jobs), warnings);
    }

    public static Findings Of(FinetuneJob job, Surroundings around)
    {
        CoServedModel? model = around.Models.FirstOrDefault(candidate => candidate.Metadata.Name == job.Spec.ModelRef.Name);
        Adapter? adapter = around.Adapters.FirstOrDefault(candidate => candidate.Metadata.Name == job.Spec.Output.AdapterName);
        (string Field, Check Check)[] checks =
        [
            ("spec.modelRef.name", FinetuneChecks.Model(job, model)),
            ("spec.output.adapterName", FinetuneChecks.AdapterName(job, adapter, FinetuneChecks.Rival(job, around.Jobs))),
        ];
        ILookup<bool, Violation> failed = checks.Where(entry => !entry.Check.Holds)
            .ToLookup(
                entry => entry.Check.Reason is Reasons.RankTooLarge or Reasons.AdapterNameTaken,
                entry => new Violation(entry.Check.Reason == Reasons.RankTooLarge ? "spec.lora.rank" : entry.Field, entry.Check.Message));
        return new([.. failed[true]], [.. failed[false]]);
    }

    public static Findings Of(Pipeline pipeline, Surroundings around)
    {
        Dictionary<string, Pipeline> known = around.Pipelines.ToDictionary(other => other.Metadata.Name);
        if (PipelinePlanner.Circle(pipeline, known) is { } circle)
            return new([new("spec.stages.pipelineRef", $"pipelines call each other in a circle: {circle}")], []);
        IEnumerable<Violation> models = pipeline.Spec.Stages.Select(stage => stage.ModelRef?.Name).OfType<string>().Distinct()
            .Where(name => around.Models.All(model => model.Metadata.Name != name))
            .Select(name => new Violation("spec.stages.modelRef.name", $"CoServedModel {name} does not exist yet"));
        IEnumerable<Violation> pipelines = pipeline.Spec.Stages.Select(stage => stage.PipelineRef?.Name).OfType<string>().Distinct()
            .Where(name => !known.ContainsKey(name)).Select(name => new Violation("spec.stages.pipelineRef.name", $"Pipeline {name} does not exist yet"));
        IEnumerable<Violation> hidden = around.Models.Where(model => PodTemplateBuilder.ServedName(model) == pipeline.Metadata.Name)
            .Select(model => new Violation("metadata.name", $"CoServedModel {model.Metadata.Name} is served under this name, and clients reach it instead"));
        return new([], [.. models, .. pipelines, .. hidden]);
    }

    /// <summary>
    /// The Adapter that the operator makes for a job carries the job's name as a label. Of several jobs with one adapterName the first trains and makes it
    /// (<see cref="FinetuneChecks.Rival"/>); the others wait for it and must not stand in its way.
    /// </summary>
    private static IReadOnlyList<Violation> AdapterNameTaken(Adapter adapter, IReadOnlyList<FinetuneJob> jobs)
    {
        string? maker = adapter.Metadata.Labels is { } labels && labels.TryGetValue(Crds.Common.Labels.FinetuneJob, out string? value) ? value : null;
        FinetuneJob[] claimants =
        [
            .. jobs.Where(job => job.Spec.Output.AdapterName == adapter.Metadata.Name && job.Metadata.DeletionTimestamp is null && !FinetunePlanner.IsTerminal(job)),
        ];
        FinetuneJob? claimant = claimants.FirstOrDefault(job => FinetuneChecks.Rival(job, claimants) is null);
        return claimant is null || claimant.Metadata.Name == maker
            ? []
            : [new("metadata.name", $"FinetuneJob {claimant.Metadata.Name} will make the Adapter {adapter.Metadata.Name}: choose another name")];
    }
}
