using System.Security.Cryptography;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Execution;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Training;
using AiFabric.Engine.Weights;
using Microsoft.Extensions.Logging;
using TorchSharp;

namespace AiFabric.Engine;

/// <summary>
/// Serves one Llama model and finetunes adapters of it in the same forward passes. All computing happens on one thread of its own;
/// every member may be called from any thread.
/// </summary>
public sealed class LlmEngine : IAsyncDisposable
{
    private readonly EngineOptions options;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly AdapterRegistry adapters;
    private readonly SlidingAttainment attainment;
    private readonly ModelRunner runner;
    private readonly EngineLoop loop;
    private readonly LatencyStore? latency;
    private long lastSequence;
    private int disposed;

    private LlmEngine(EngineOptions options, BaseWeights weights, HuggingFaceTokenizer tokenizer, TimeProvider time, ILogger logger)
    {
        (this.options, this.time, this.logger, Weights, Tokenizer) = (options, time, logger, weights, tokenizer);
        int[] own = tokenizer.EndOfSequenceId is { } end ? [end] : [];
        // An id that the model cannot draw ends nothing.
        EndOfSequenceIds = [.. Config.EndOfSequenceIds.Union(own).Where(id => id < Config.VocabularySize)];
        adapters = new AdapterRegistry(options.MaxAdapters);
        (attainment, TrainingMemory) = (new SlidingAttainment(time), new TrainingMemory(options.FinetuneMemoryBytes, options.MaxBatchTokens));
        int[] unused = tokenizer.UnusedIds(Config.VocabularySize);
        runner = new ModelRunner(Config.VocabularySize, unused, ForwardPasses.Create(weights, options, adapters.Held, unused, logger), time);
        var delivery = new Delivery(adapters, Metrics, attainment, options.TpotObjective, time);
        loop = new EngineLoop(options, SchedulerOptions.From(options) with { BackwardBeside = runner.CanRunBeside }, new BlockPool(options.KvBlocks), runner, delivery, Metrics, time, logger);
        latency = options.LatencyFolder is { } folder
            ? new LatencyStore(folder, LatencyStore.Subject(weights.Config, $"{weights.Format} {options.KvCacheType}", options.Device, options.Threads), logger) : null;
        if (latency?.Load() is { } kept)
            loop.Latency.Restore(kept);
        loop.Start();
    }

    public HuggingFaceTokenizer Tokenizer { get; }

    /// <summary>The model's chat template, raw Jinja; null when it has none.</summary>
    public string? ChatTemplate => Tokenizer.Settings.ChatTemplate;

    public DecoderConfig Config => Weights.Config;

    /// <summary>The tokens that end a text: those that the model's configuration names, and the tokenizer's own, with which samples of finetuning end. May be empty.</summary>
    public IReadOnlyList<int> EndOfSequenceIds { get; }

    /// <summary><c>sha256:…</c> of the base weights; null while it is being computed, which <see cref="ReadDigestAsync"/> begins.</summary>
    public string? ModelDigest => Weights.IsDigestKnown ? Weights.Digest : null;

    /// <summary>Reads the weights' files once more for their digest. Nobody who generates needs it, so it need not delay the first token.</summary>
    /// <exception cref="IOException">A file can no longer be read.</exception>
    public Task<string> ReadDigestAsync() => Task.Run(() => Weights.Digest);

    /// <summary>The base weights, for training on the engine's thread. Owned by the engine.</summary>
    public BaseWeights Weights { get; }

    /// <summary>What finetuning's activations may take.</summary>
    public TrainingMemory TrainingMemory { get; }

    public EngineMetrics Metrics { get; } = new();

    /// <summary>Prompt and output together, in tokens, at most: the model's positions or the whole cache, whichever is less.</summary>
    public int MaxContextTokens => (int)Math.Min(Config.MaximumPositions, (long)options.KvBlocks * options.BlockSize);

    public IReadOnlyList<AdapterInfo> Adapters => adapters.List();

    /// <summary>Ends when the engine's thread has ended: with null after disposal, else with the failure that it could not contain.</summary>
    public Task<Exception?> Completion => loop.Stopped;

    /// <summary>How busy the engine is.</summary>
    public EngineLoad CurrentLoad => loop.Load(attainment.Value);

    /// <summary>Names of the prefixes that the cache holds.</summary>
    public PrefixLedger Prefixes => loop.Prefixes;

    /// <summary>Loads a model folder and starts the engine's thread.</summary>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range.</exception>
    /// <exception cref="CheckpointException">The model folder cannot be used; the message says why.</exception>
    /// <exception cref="DllNotFoundException">libtorch is missing.</exception>
    public static LlmEngine Load(EngineOptions options, TimeProvider time, ILoggerFactory logs)
    {
        options.Validate();
        string folder = options.ModelFolder;
        var tokenizer = new Lazy<HuggingFaceTokenizer>(() => HuggingFaceTokenizer.Load(folder));
        _ = Task.Run(() => tokenizer.Value); // Takes about as long as a small model's weights; its failure shows below.
        options = options with { Device = ForwardPasses.DeviceOf(options) };
        var weights = ForwardPasses.LoadWeights(options);
        try
        {
            var logger = logs.CreateLogger<LlmEngine>();
            var engine = new LlmEngine(options, weights, tokenizer.Value.Within(weights.Config.VocabularySize, logger), time, logger);
            Log.ModelLoaded(
                logger, options.ModelFolder, weights.Config.Layers, weights.ParameterCount, weights.Format, options.Device,
                options.KvBlocks, options.BlockSize);
            return engine;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Starts a generation. Its events end with exactly one that has a finish reason, whatever happens.</summary>
    /// <exception cref="EngineRejectedException">The request cannot be served; <see cref="EngineRejectedException.Code"/> says why.</exception>
    public Generation Submit(GenerationRequest request)
    {
        RequestRules.Require(request, Config.VocabularySize, MaxContextTokens);
        return Submit(request, Math.Min(request.MaxTokens, MaxContextTokens - request.PromptTokens.Count), null);
    }

    /// <summary>
    /// Starts to compute a text's vector: the mean of the final hidden states of all its tokens. Its tokens run as prompt chunks, beside generation and
    /// finetuning and within the same bounds; nothing of it stays in the cache.
    /// </summary>
    /// <exception cref="EngineRejectedException">The request cannot be served; <see cref="EngineRejectedException.Code"/> says why.</exception>
    public Embedding Embed(EmbeddingRequest request)
    {
        RequestRules.Require(request, Config.VocabularySize, MaxContextTokens);
        var states = new StatePool(Config.HiddenSize);
        return new Embedding(Submit(request.AsPrompt(), 0, states), states);
    }

    private Generation Submit(GenerationRequest request, int maxTokens, StatePool? states)
    {
        long load = request.Adapter is { } name
            ? adapters.TryAcquire(name, request.Held)
                ?? throw new EngineRejectedException(RejectionCodes.AdapterNotFound, $"No adapter '{name}' is loaded.", "model")
            : 0;
        try
        {
            var id = new SequenceId(Interlocked.Increment(ref lastSequence));
            var sequence = new Sequence(id, request, maxTokens, SeedOf(request, id), load, options.BlockSize, states) { Arrived = time.GetElapsedTime(0) };
            var stream = new RequestStream(sequence, time.GetTimestamp());
            loop.Submit(stream);
            return new Generation(id, stream.Reader, isWhole => loop.Cancel(sequence, isWhole));
        }
        catch
        {
            if (load != 0)
                adapters.Release(load);
            throw;
        }
    }

    /// <summary>Makes an adapter available under a name, in place of the one that nobody used for longest when there are too many. Requests go on meanwhile. Idempotent where name and digest are the loaded ones.</summary>
    /// <param name="name">Name in requests; one of that name is replaced, and ends with the requests that use it.</param>
    /// <param name="folder">PEFT folder.</param>
    /// <param name="expectedDigest">What the files' digest must be; null takes any.</param>
    /// <param name="cancellationToken">Cancels before the files are read.</param>
    /// <exception cref="EngineRejectedException">The adapter has another digest or too large a rank, or there are too many in use.</exception>
    /// <exception cref="CheckpointException">The folder cannot be used with this model.</exception>
    public async Task<AdapterInfo> LoadAdapterAsync(string name, string folder, string? expectedDigest, CancellationToken cancellationToken)
    {
        if (expectedDigest is not null && adapters.Find(name) is { } present && present.Digest == expectedDigest)
            return present;
        // Reading files on the engine's thread would delay every running request; only the registry is shared, and it locks.
        var adapter = await Task.Run(() => PeftFolder.Load(folder, Weights, name), cancellationToken).ConfigureAwait(false);
        if (expectedDigest is not null && adapter.Digest != expectedDigest)
        {
            string found = adapter.Digest;
            adapter.Dispose();
            throw new EngineRejectedException(RejectionCodes.AdapterInvalid, $"{folder} has digest {found}, expected {expectedDigest}.", "digest");
        }
        return Install(adapter);
    }

    /// <summary>Makes an adapter that is in memory available under its name, and takes it over.</summary>
    /// <exception cref="EngineRejectedException">Its rank is too large, or there are too many adapters in use; it is disposed then.</exception>
    public AdapterInfo Install(PeftAdapter adapter)
    {
        if (adapter.Rank > options.MaxLoraRank)
        {
            int rank = adapter.Rank;
            adapter.Dispose();
            throw new EngineRejectedException(RejectionCodes.AdapterInvalid, $"The adapter has rank {rank}; this engine takes up to {options.MaxLoraRank} (lora.maxRank).");
        }
        var info = adapters.Install(adapter);
        Log.AdapterLoaded(logger, info.Name, info.Rank, info.Digest);
        return info;
    }

    /// <summary>Keeps an adapter in memory until the answer is disposed, whatever others are loaded meanwhile.</summary>
    /// <returns>Null when none of that name is in memory.</returns>
    public AdapterHold? TryHoldAdapter(string name) => adapters.TryHold(name);

    /// <summary>Takes an adapter away from new requests; those that run with it end undisturbed.</summary>
    /// <returns>False when there is none of that name.</returns>
    public Task<bool> UnloadAdapterAsync(string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        bool removed = adapters.Remove(name);
        if (removed)
            Log.AdapterUnloaded(logger, name);
        return Task.FromResult(removed);
    }

    /// <summary>Lets a training session take part in iterations. Several share by their weights.</summary>
    /// <param name="executor">The job; not owned. Its <see cref="ITrainingExecutor.WorkAvailable"/> wakes the engine.</param>
    /// <param name="faulted">Told, on the engine's thread, when an iteration with the training session failed; it is detached then.</param>
    /// <param name="weight">A session of weight 2 gets twice the work of one of weight 1.</param>
    /// <exception cref="ObjectDisposedException">The engine stopped.</exception>
    public void AttachTraining(ITrainingExecutor executor, Action<Exception>? faulted = null, double weight = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(weight);
        var attached = RunOnEngineThreadAsync(
            () =>
            {
                torch.set_num_threads(options.Threads);
                loop.Training.Attach(executor, faulted, weight);
                return true;
            },
            CancellationToken.None);
        if (attached.IsFaulted)
            attached.GetAwaiter().GetResult();
    }

    /// <summary>Takes a training session out of the loop. When the task ends, no member of it runs or will be called.</summary>
    public async Task DetachTrainingAsync(ITrainingExecutor executor)
    {
        try
        {
            await RunOnEngineThreadAsync(() => loop.Training.Detach(executor), CancellationToken.None).ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            await loop.StopAsync().ConfigureAwait(false); // The thread has ended or is about to: wait for it.
        }
    }

    /// <summary>Runs work between two iterations, alone with the model: snapshots of weights in training, for example.</summary>
    /// <exception cref="ObjectDisposedException">The engine stopped before it ran.</exception>
    public Task<T> RunOnEngineThreadAsync<T>(Func<T> work, CancellationToken cancellationToken) => loop.PostAsync(work, cancellationToken);

    /// <summary>Generates a few tokens, so that the first client does not pay for the first iteration. Counted like other requests.</summary>
    /// <exception cref="InvalidOperationException">The model cannot compute.</exception>
    public async Task WarmUpAsync()
    {
        int[] prompt = [.. Enumerable.Repeat(Tokenizer.BeginOfSequenceId ?? 0, Math.Clamp(MaxContextTokens / 2, 1, 2 * options.BlockSize))];
        using var generation = Submit(new GenerationRequest
        {
            PromptTokens = prompt,
            MaxTokens = 4,
            CacheSalt = "warm-up",
            Sampling = new SamplingParameters { Temperature = 0 },
        });
        await foreach (var next in generation.Events.ReadAllAsync().ConfigureAwait(false))
        {
            if (next.Finish == FinishReason.Error)
                throw new InvalidOperationException($"The model cannot compute: {next.Error}");
        }
    }

    /// <summary>Cancels every request, ends the thread after its running iteration, frees the model. Attached sessions are not disposed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        await loop.StopAsync().ConfigureAwait(false);
        if (loop.Latency.Snapshot() is { } learned)
            latency?.Save(learned);
        runner.Dispose();
        adapters.Dispose();
        Weights.Dispose();
    }

    private long SeedOf(GenerationRequest request, SequenceId id)
    {
        if (request.Sampling.Seed is { } seed)
            return seed;
        return options.Seed is { } own ? own + id.Value : BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));
    }
}
