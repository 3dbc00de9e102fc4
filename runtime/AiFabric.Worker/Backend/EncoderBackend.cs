using AiFabric.Engine;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Training;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Backend;

/// <summary>An encoder behind the endpoints: it makes embeddings and nothing else.</summary>
internal sealed class EncoderBackend(EncoderEngine engine) : IModelBackend
{
    public HuggingFaceTokenizer Tokenizer => engine.Tokenizer;

    public IReadOnlyList<int> EndOfSequenceIds => [];

    public int MaxContextTokens => engine.MaxContextTokens;

    public string Digest => engine.ModelDigest;

    public EngineLoad Load => engine.CurrentLoad;

    public Task<Exception?> Completion => engine.Completion;

    public PrefixLedger? Prefixes => null;

    public EngineMetrics Metrics => engine.Metrics;

    public IReadOnlyList<AdapterStatus> Adapters => [];

    public bool Generates => false;

    public int EmbeddingSize => engine.EmbeddingSize;

    public Generation Submit(GenerationRequest request) =>
        throw new EngineRejectedException(RejectionCodes.InvalidRequest, "This model makes embeddings; it generates no tokens.", "model");

    public Embedding Embed(EmbeddingRequest request) => engine.Embed(request);

    public Task<AdapterHold?> HoldAdapterAsync(string? name, CancellationToken cancellationToken) => Task.FromResult<AdapterHold?>(null);

    public Task<AdapterStatus> LoadAdapterAsync(string name, AdapterRequest request, AdapterFolder folder, CancellationToken cancellationToken) =>
        throw new EngineRejectedException(RejectionCodes.AdapterInvalid, "This model makes embeddings; it takes no adapters.", "uri");

    public Task<bool> UnloadAdapterAsync(string name, CancellationToken cancellationToken) => Task.FromResult(false);

    public ITrainingRun StartTraining(TrainingRecipe recipe, bool suspended, IDisposable? data) =>
        throw new ApiException(409, "This model makes embeddings; it cannot be finetuned.", code: "finetuning_disabled");

    public ValueTask DisposeAsync() => engine.DisposeAsync();
}
