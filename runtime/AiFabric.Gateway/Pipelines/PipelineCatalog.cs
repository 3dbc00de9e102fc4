using System.Collections.Frozen;
using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Routing;
using AiFabric.Kube;

namespace AiFabric.Gateway.Pipelines;

/// <summary>A Pipeline resource as this gateway runs it.</summary>
/// <param name="Key">Namespace and name; the name is what clients ask for.</param>
/// <param name="Generation">Of the resource.</param>
/// <param name="Compiled">Ready to run.</param>
public sealed record ServedPipeline(ModelKey Key, long Generation, CompiledPipeline Compiled)
{
    /// <summary>How long calls of each stage take, by its name.</summary>
    public IReadOnlyDictionary<string, CallPace> Paces { get; } = Compiled.Spec.Stages.ToDictionary(stage => stage.Name, _ => new CallPace(), StringComparer.Ordinal);
}

/// <summary>The pipelines that can be asked for: every valid Pipeline resource, as it is now.</summary>
public sealed class PipelineCatalog
{
    private readonly IInformer<Pipeline> _pipelines;
    private volatile FrozenDictionary<ModelKey, ServedPipeline> _served = FrozenDictionary<ModelKey, ServedPipeline>.Empty;

    public PipelineCatalog(IInformer<Pipeline> pipelines)
    {
        _pipelines = pipelines;
        _pipelines.Subscribe(_ => Reload());
    }

    public bool HasSynced => _pipelines.HasSynced;

    public IReadOnlyCollection<ServedPipeline> All => _served.Values;

    public ServedPipeline? Get(ModelKey key) => _served.GetValueOrDefault(key);

    /// <summary>The pipelines of this name, plain or qualified by a namespace: none, one, or one for each namespace that has it.</summary>
    public IReadOnlyList<ServedPipeline> Find(ModelName name) =>
        [.. _served.Values.Where(pipeline => name.Adapter is null && name.Matches(pipeline.Key.Namespace, pipeline.Key.Name))];

    /// <summary>Runs on the informer's loop. What did not change is not compiled again.</summary>
    private void Reload()
    {
        FrozenDictionary<ModelKey, ServedPipeline> before = _served;
        _served = _pipelines.List().Where(pipeline => pipeline.Metadata.DeletionTimestamp is null).Select(pipeline => Read(pipeline, before))
            .OfType<ServedPipeline>().ToFrozenDictionary(pipeline => pipeline.Key);
    }

    private static ServedPipeline? Read(Pipeline pipeline, FrozenDictionary<ModelKey, ServedPipeline> before)
    {
        var key = new ModelKey(pipeline.Metadata.NamespaceProperty, pipeline.Metadata.Name);
        long generation = pipeline.Metadata.Generation ?? 0;
        if (before.TryGetValue(key, out ServedPipeline? same) && same.Generation == generation)
            return same;
        return CompiledPipeline.TryCompile(pipeline.Spec) is { } compiled ? new ServedPipeline(key, generation, compiled) : null;
    }
}
