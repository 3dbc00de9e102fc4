using System.ComponentModel.DataAnnotations;
using AiFabric.Engine;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models.Encoders;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Protocol.Control;
using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Storage;
using TorchSharp;

namespace AiFabric.Worker.Backend;

/// <summary>The engine behind the endpoints.</summary>
internal sealed class EngineBackend : IModelBackend
{
    private readonly LlmEngine engine;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly SampleEncoder encoder;
    private readonly AdapterShelf shelf;
    private int digestAsked;

    private EngineBackend(LlmEngine engine, TimeProvider time, ILogger log)
    {
        (this.engine, this.time, this.log) = (engine, time, log);
        shelf = new AdapterShelf(engine);
        encoder = new SampleEncoder(engine.Tokenizer, TrainingChats.RendererOf(engine.Tokenizer.Settings));
    }

    public HuggingFaceTokenizer Tokenizer => engine.Tokenizer;

    public IReadOnlyList<int> EndOfSequenceIds => engine.EndOfSequenceIds;

    public int MaxContextTokens => engine.MaxContextTokens;

    public string? Digest
    {
        get
        {
            // Begins at the first question: whoever waits for the first token does not ask.
            if (Interlocked.Exchange(ref digestAsked, 1) == 0)
                _ = ReadDigestAsync();
            return engine.ModelDigest;
        }
    }

    public EngineLoad Load => engine.CurrentLoad;

    public Task<Exception?> Completion => engine.Completion;

    public PrefixLedger Prefixes => engine.Prefixes;

    public EngineMetrics Metrics => engine.Metrics;

    public IReadOnlyList<AdapterStatus> Adapters => shelf.List();

    /// <summary>Loads the model; the heavy part runs on a pool thread.</summary>
    /// <exception cref="StorageException">The URI cannot be used.</exception>
    /// <exception cref="Engine.Weights.CheckpointException">The folder cannot be used.</exception>
    /// <exception cref="UsageException">An option does not fit the engine.</exception>
    public static async Task<IModelBackend> LoadAsync(ServeOptions options, TimeProvider time, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        string folder = StorageUri.ToExistingModel(options.Model);
        try
        {
            if (EncoderConfig.IsIn(folder))
                return new EncoderBackend(await Task.Run(() => EncoderEngine.Load(OptionsOf(options, folder), time, logs), cancellationToken));
            var engine = await Task.Run(() => LlmEngine.Load(OptionsOf(options, folder), time, logs), cancellationToken);
            return new EngineBackend(engine, time, logs.CreateLogger<TrainingSession>());
        }
        catch (ValidationException e)
        {
            throw new UsageException(e.Message);
        }
    }

    public bool Generates => true;

    public int EmbeddingSize => engine.Config.HiddenSize;

    public Generation Submit(GenerationRequest request) => engine.Submit(request);

    public Embedding Embed(EmbeddingRequest request) => engine.Embed(request);

    public Task<AdapterStatus> LoadAdapterAsync(string name, AdapterRequest request, AdapterFolder folder, CancellationToken cancellationToken) =>
        shelf.PutAsync(name, request, folder, cancellationToken);

    public async Task<AdapterHold?> HoldAdapterAsync(string? name, CancellationToken cancellationToken) =>
        name is null ? null : await shelf.HoldAsync(name, cancellationToken);

    public Task<bool> UnloadAdapterAsync(string name, CancellationToken cancellationToken) => shelf.RemoveAsync(name, cancellationToken);

    public ITrainingRun StartTraining(TrainingRecipe recipe, bool suspended, IDisposable? data)
    {
        var session = TrainingSession.Start(recipe, engine.Weights, encoder, time, log, suspended, engine.TrainingMemory, data);
        return new EngineTrainingRun(engine, session);
    }

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        shelf.Dispose();
    }

    private async Task ReadDigestAsync()
    {
        try
        {
            Log.Digest(log, await engine.ReadDigestAsync());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.DigestFailed(log, e);
            Volatile.Write(ref digestAsked, 0); // The next question begins anew.
        }
    }

    private static EngineOptions OptionsOf(ServeOptions options, string folder) => new()
    {
        ModelFolder = folder,
        Type = options.Type == "bfloat16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32,
        Quantization = options.Quantization,
        Device = options.Device,
        SpeculativeMethod = options.SpeculativeMethod,
        SpeculativeTokens = options.SpeculativeTokens,
        PromptLookupMin = options.PromptLookupMin,
        PromptLookupMax = options.PromptLookupMax,
        Threads = options.Threads ?? Environment.ProcessorCount,
        KvCacheType = options.KvCacheType,
        KvBlocks = options.KvBlocks,
        MaxBatchTokens = options.MaxBatchTokens,
        MaxRunningRequests = Math.Min(options.MaxRunningRequests, options.MaxBatchTokens),
        MaxQueuedRequests = options.MaxQueuedRequests,
        MaxFinetuneTokensPerIteration = options.MaxFinetuneTokens,
        FinetuneMemoryBytes = options.FinetuneMemoryMebibytes is { } mebibytes ? (long)mebibytes << 20 : null,
        Policy = options.Policy,
        TpotObjective = options.TpotObjective,
        TtftObjective = options.TtftObjective,
        LatencyFolder = options.ModelCache,
        MaxAdapters = options.MaxAdapters,
        MaxLoraRank = options.MaxLoraRank,
    };
}
