using AiFabric.Engine;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Training;
using AiFabric.Protocol.Control;

namespace AiFabric.Worker.Backend;

/// <summary>A loaded model as the endpoints see it: the engine, or a scripted one in tests.</summary>
internal interface IModelBackend : IAsyncDisposable
{
    HuggingFaceTokenizer Tokenizer { get; }

    /// <summary>The tokens that end an answer unless the request says otherwise; may be empty.</summary>
    IReadOnlyList<int> EndOfSequenceIds { get; }

    /// <summary>Longest sequence, prompt and answer together.</summary>
    int MaxContextTokens { get; }

    /// <summary><c>sha256:…</c> of the weights; null while it is being computed, which the first question begins.</summary>
    string? Digest { get; }

    EngineLoad Load { get; }

    /// <summary>Ends when nothing can be computed any more: with null after disposal, else with the failure that ended the engine.</summary>
    Task<Exception?> Completion { get; }

    /// <summary>Names of the prefixes in the cache; null where no prompt is ever found in it again.</summary>
    PrefixLedger? Prefixes { get; }

    IReadOnlyList<AdapterStatus> Adapters { get; }

    /// <summary>Whether it generates text; a model that does not makes embeddings only.</summary>
    bool Generates { get; }

    /// <summary>Numbers of an embedding.</summary>
    int EmbeddingSize { get; }

    /// <exception cref="EngineRejectedException">The engine does not take the request, or does not generate.</exception>
    Generation Submit(GenerationRequest request);

    /// <exception cref="EngineRejectedException">The engine does not take the request.</exception>
    Embedding Embed(EmbeddingRequest request);

    /// <exception cref="EngineRejectedException">The adapter has another digest or too large a rank, or all in memory are in use.</exception>
    /// <exception cref="Engine.Weights.CheckpointException">The folder does not hold an adapter for this model.</exception>
    Task<AdapterStatus> LoadAdapterAsync(string name, AdapterRequest request, AdapterFolder folder, CancellationToken cancellationToken);

    /// <summary>Keeps an adapter, as it is now, ready for requests until the answer is disposed.</summary>
    /// <returns>Null when there is none of that name, or no name.</returns>
    /// <exception cref="Errors.ApiException">429: all adapters in memory are in use; 503: its files cannot be read any more.</exception>
    Task<AdapterHold?> HoldAdapterAsync(string? name, CancellationToken cancellationToken);

    /// <returns>False when there is none of that name.</returns>
    Task<bool> UnloadAdapterAsync(string name, CancellationToken cancellationToken);

    /// <summary>Begins to read data and checkpoint; the job then trains in the engine's iterations, in turn with others.</summary>
    /// <param name="recipe">The job.</param>
    /// <param name="suspended">Whether it waits to be resumed.</param>
    /// <param name="data">What keeps the data on this machine; disposed once they are read. Still the caller's when this throws.</param>
    ITrainingRun StartTraining(TrainingRecipe recipe, bool suspended, IDisposable? data);

    EngineMetrics Metrics { get; }
}

/// <summary>A running or ended training session.</summary>
internal interface ITrainingRun
{
    TrainingProgress Progress { get; }

    void Suspend();

    void Resume();

    /// <summary>Ends it and frees its memory; checkpoints stay. Returns when the engine no longer knows it.</summary>
    Task StopAsync();
}

/// <summary>A model folder holds what cannot be served. The message says what.</summary>
internal sealed class ModelException(string message) : Exception(message);
