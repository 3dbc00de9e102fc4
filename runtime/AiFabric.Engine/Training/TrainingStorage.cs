using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Checkpoints;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training;

/// <summary>A job's slow work. Each method is called on the engine's thread, copies what it needs, and returns the part for the background.</summary>
internal sealed class TrainingStorage(TrainingRecipe recipe, CheckpointStore store)
{
    /// <summary>Reads data and checkpoint, and disposes what keeps the data.</summary>
    public Func<CancellationToken, Outcome> Prepare(BaseWeights weights, SampleEncoder encoder, TrainingMemory memory, IDisposable? data) => cancellationToken =>
    {
        TrainingCorpus corpus;
        using (data)
        {
            recipe.Validate(weights.Config);
            corpus = TrainingCorpus.Load(recipe, encoder, cancellationToken);
        }

        var run = new TrainingRun(recipe, corpus, weights, store, memory);
        return new Outcome.Prepared(run, corpus.Train.Count / corpus.Sides, corpus.HeldOut.Count / corpus.Sides, corpus.Skipped);
    };

    /// <summary>Writes a checkpoint of this moment.</summary>
    public Func<CancellationToken, Outcome> Save(TrainingRun run)
    {
        (CheckpointManifest manifest, List<KeyValuePair<string, Tensor>> tensors) = run.Snapshot();
        return _ =>
        {
            try
            {
                store.Save(manifest, tensors);
                return new Outcome.CheckpointSaved(manifest.Step);
            }
            finally
            {
                foreach ((string _, Tensor tensor) in tensors)
                    tensor.Dispose();
            }
        };
    }

    /// <summary>Writes the finished adapter: the last one or, with early stopping, the best.</summary>
    public Func<CancellationToken, Outcome> Export(TrainingRun run)
    {
        DecoderConfig config = run.Config;
        int? best = run.Best is { } evaluation && evaluation.Step != run.Cursor.Step ? evaluation.Step : null;
        AdapterValues? last = best is null ? run.SnapshotAdapter() : null;
        return _ =>
        {
            using (AdapterValues copy = last ?? store.Read(best!.Value, file => TrainingRun.ReadAdapter(file, recipe.Method, config))) // One of them is there.
            {
                try
                {
                    return new Outcome.Exported(PeftFolder.Save(copy, config, recipe.OutputFolder, recipe.BaseModelName, recipe.FileType));
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    throw TrainingException.FromStorage(recipe.OutputFolder, e);
                }
            }
        };
    }
}
