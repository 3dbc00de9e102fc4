using AiFabric.Crds.Adapters;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using AiFabric.Operator.Finetuning;
using k8s.Models;

namespace AiFabric.Operator.Objects;

/// <summary>
/// Who names whom, from indexes of the caches: a look at one object must not cost a walk over all, or the whole costs their square.
/// </summary>
internal static class References
{
    private const string ByModel = "spec.modelRef.name";
    private const string ByAdapter = "spec.output.adapterName";
    private const string ByJob = "spec.source.finetuneJobRef.name";

    private const string IsActive = "active";

    public static IServiceCollection AddReferences(this IServiceCollection services) => services
        .AddInformerIndex<Adapter>(ByModel, adapter => Value(adapter.Metadata, adapter.Spec.ModelRef?.Name))
        .AddInformerIndex<Adapter>(ByJob, adapter => Value(adapter.Metadata, adapter.Spec.Source?.FinetuneJobRef?.Name))
        .AddInformerIndex<FinetuneJob>(ByModel, job => Value(job.Metadata, job.Spec.ModelRef?.Name))
        .AddInformerIndex<FinetuneJob>(ByAdapter, job => Value(job.Metadata, job.Spec.Output?.AdapterName))
        .AddInformerIndex<Pipeline>(ByModel, pipeline => pipeline.Spec.Stages.Select(stage => stage.ModelRef?.Name).OfType<string>().Distinct()
            .SelectMany(name => Value(pipeline.Metadata, name)))
        .AddInformerIndex<FinetuneJob>(IsActive, job => FinetunePlanner.IsTerminal(job) ? [] : [IsActive]);

    /// <summary>The Adapters of a model.</summary>
    public static IReadOnlyList<Adapter> OfModel(this IStore<Adapter> adapters, NamespacedName model) => adapters.ByIndex(ByModel, model.ToString());

    /// <summary>The Adapters whose source is this job.</summary>
    public static IReadOnlyList<Adapter> FromJob(this IStore<Adapter> adapters, NamespacedName job) => adapters.ByIndex(ByJob, job.ToString());

    /// <summary>The FinetuneJobs on a model.</summary>
    public static IReadOnlyList<FinetuneJob> OfModel(this IStore<FinetuneJob> jobs, NamespacedName model) => jobs.ByIndex(ByModel, model.ToString());

    /// <summary>The FinetuneJobs that make, or made, the Adapter of this name.</summary>
    public static IReadOnlyList<FinetuneJob> Making(this IStore<FinetuneJob> jobs, NamespacedName adapter) =>
        jobs.ByIndex(ByAdapter, adapter.ToString());

    /// <summary>The Pipelines with a stage that asks a model.</summary>
    public static IReadOnlyList<Pipeline> Asking(this IStore<Pipeline> pipelines, NamespacedName model) => pipelines.ByIndex(ByModel, model.ToString());

    /// <summary>How many FinetuneJobs have not ended.</summary>
    public static int CountActive(this IStore<FinetuneJob> jobs) => jobs.CountByIndex(IsActive, IsActive);

    private static IEnumerable<string> Value(V1ObjectMeta metadata, string? name) =>
        name is null ? [] : [new NamespacedName(metadata.NamespaceProperty, name).ToString()];
}
