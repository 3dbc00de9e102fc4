using AiFabric.Engine.Adapters;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Interop;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models.Encoders;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Weights;
using Microsoft.Extensions.Logging;
using TorchSharp;

namespace AiFabric.Engine;

/// <summary>
/// Serves one encoder. Texts are queued, shared out between tenants and batched as <see cref="LlmEngine"/> does it, but for one thing: each runs
/// whole in one iteration. All computing happens on one thread of its own; every member may be called from any thread.
/// </summary>
public sealed class EncoderEngine : IAsyncDisposable
{
    private readonly EngineOptions options;
    private readonly TimeProvider time;
    private readonly EncoderWeights weights;
    private readonly AdapterRegistry adapters = new(0);
    private readonly ModelRunner runner;
    private readonly EngineLoop loop;
    private long lastSequence;
    private int disposed;

    private EncoderEngine(EngineOptions options, EncoderWeights weights, HuggingFaceTokenizer tokenizer, TimeProvider time, ILogger logger)
    {
        // Whoever reads all of a text at once needs room for all of it in an iteration.
        this.options = options = options with { MaxBatchTokens = Math.Max(options.MaxBatchTokens, weights.Context) };
        (this.time, this.weights, Tokenizer) = (time, weights, tokenizer);
        runner = new ModelRunner(weights.VocabularySize, [], new EncoderPass(weights, torch.device(options.Device)), time);
        var delivery = new Delivery(adapters, Metrics, new SlidingAttainment(time), null, time);
        var bounds = SchedulerOptions.From(options) with { WholePrompts = true, MaxFinetuneTokens = 0 };
        loop = new EngineLoop(options, bounds, new BlockPool(options.KvBlocks), runner, delivery, Metrics, time, logger);
        loop.Start();
    }

    public HuggingFaceTokenizer Tokenizer { get; }

    /// <summary><c>sha256:…</c> of the weights.</summary>
    public string ModelDigest => weights.Digest;

    public EngineMetrics Metrics { get; } = new();

    /// <summary>Tokens of a text at most.</summary>
    public int MaxContextTokens => (int)Math.Min(weights.Context, (long)options.KvBlocks * options.BlockSize);

    /// <summary>Numbers of a vector.</summary>
    public int EmbeddingSize => weights.EmbeddingSize;

    /// <summary>How busy the engine is. Blocks count the tokens of admitted texts; no memory stands behind them.</summary>
    public EngineLoad CurrentLoad => loop.Load(null);

    /// <summary>Ends when the engine's thread has ended: with null after disposal, else with the failure that it could not contain.</summary>
    public Task<Exception?> Completion => loop.Stopped;

    /// <summary>Loads a model folder and starts the engine's thread.</summary>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">An option is out of range, or asks for what encoders do not have.</exception>
    /// <exception cref="CheckpointException">The model folder cannot be used; the message says why.</exception>
    /// <exception cref="DllNotFoundException">libtorch is missing.</exception>
    public static EncoderEngine Load(EngineOptions options, TimeProvider time, ILoggerFactory logs)
    {
        options.Validate();
        if (options.Type != torch.ScalarType.Float32 || options.Quantization != Quantization.None)
            throw new System.ComponentModel.DataAnnotations.ValidationException($"Encoders compute in Float32 without quantization, but Type is {options.Type} and Quantization {options.Quantization}.");
        if (options.KvCacheType != KvCacheType.Auto)
            throw new System.ComponentModel.DataAnnotations.ValidationException($"Encoders have no key-value cache, but KvCacheType is {options.KvCacheType}: leave it Auto.");
        TorchRuntime.EnsureLoaded();
        options = options with { Device = ForwardPasses.DeviceOf(options) };
        var tokenizer = HuggingFaceTokenizer.Load(options.ModelFolder);
        var weights = EncoderWeights.Load(options.ModelFolder, torch.device(options.Device));
        var logger = logs.CreateLogger<EncoderEngine>();
        try
        {
            tokenizer = tokenizer.Within(weights.VocabularySize, logger);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
        Log.EncoderLoaded(logger, options.ModelFolder, weights.ParameterCount, weights.EmbeddingSize, options.Device, weights.Digest);
        return new EncoderEngine(options, weights, tokenizer, time, logger);
    }

    /// <summary>Starts to compute a text's vector.</summary>
    /// <exception cref="EngineRejectedException">The request cannot be served; <see cref="EngineRejectedException.Code"/> says why.</exception>
    public Embedding Embed(EmbeddingRequest request)
    {
        RequestRules.Require(request, weights.VocabularySize, MaxContextTokens);
        if (request.Adapter is not null)
            throw new EngineRejectedException(RejectionCodes.AdapterNotFound, "Encoders take no adapters.", "model");
        var states = new StatePool(EmbeddingSize);
        var id = new SequenceId(Interlocked.Increment(ref lastSequence));
        var sequence = new Sequence(id, request.AsPrompt(), maxTokens: 0, seed: 0, adapterLoad: 0, options.BlockSize, states) { Arrived = time.GetElapsedTime(0) };
        var stream = new RequestStream(sequence, time.GetTimestamp());
        loop.Submit(stream);
        return new Embedding(new Generation(id, stream.Reader, isWhole => loop.Cancel(sequence, isWhole)), states);
    }

    /// <summary>Cancels every request, ends the thread after its running iteration, frees the model.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        await loop.StopAsync().ConfigureAwait(false);
        runner.Dispose();
        adapters.Dispose();
        weights.Dispose();
    }
}
