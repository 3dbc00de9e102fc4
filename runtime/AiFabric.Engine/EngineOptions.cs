using System.ComponentModel.DataAnnotations;
using AiFabric.Engine.Scheduling;
using TorchSharp;

namespace AiFabric.Engine;

/// <summary>What wins when inference and finetuning compete for an iteration.</summary>
public enum CoServingPolicy
{
    /// <summary>Finetuning takes only the time that the TPOT objective leaves.</summary>
    InferenceFirst,

    /// <summary>Finetuning gets at least <see cref="EngineOptions.TrainingShare"/> of the time, even where the objective suffers.</summary>
    WeightedFair,
}

/// <summary>How the base model's matrices lie in memory.</summary>
public enum Quantization
{
    /// <summary>In the element type of <see cref="EngineOptions.Type"/>.</summary>
    None,

    /// <summary>In 8 bits, with a scale for every 32 weights: quantized while loading, on the CPU only. Arithmetic stays Float32.</summary>
    Q8,
}

/// <summary>Element type of the key-value cache.</summary>
public enum KvCacheType
{
    /// <summary>As narrow as the model: Float32 where its weights are, else BFloat16; in libtorch's passes the type of the weights.</summary>
    Auto,

    Float32,

    /// <summary>Half of Float32's memory. Keys and values are rounded when they are stored; attention computes in Float32.</summary>
    BFloat16,
}

/// <summary>How tokens are guessed ahead of a sequence, to be checked several at a time in one pass.</summary>
public enum SpeculativeMethod
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>What followed the newest tokens when they occurred before, in the prompt or in the answer.</summary>
    PromptLookup,
}

/// <summary>How one engine runs. Checked by <see cref="LlmEngine.Load"/>.</summary>
public sealed record EngineOptions
{
    /// <summary>Hugging Face model folder, or a GGUF file.</summary>
    [Required(AllowEmptyStrings = false)]
    public required string ModelFolder { get; init; }

    /// <summary>Element type of weights: Float32, BFloat16 or Float64. Kernels on the CPU compute in Float32 all the same; libtorch's passes compute in it.</summary>
    public torch.ScalarType Type { get; init; } = torch.ScalarType.Float32;

    /// <summary>How the base model's matrices are stored; adapters and activations keep <see cref="Type"/>.</summary>
    public Quantization Quantization { get; init; }

    /// <summary>How keys and values are kept.</summary>
    public KvCacheType KvCacheType { get; init; }

    /// <summary><c>cpu</c>, <c>cuda</c>, or <c>auto</c>: CUDA where libtorch has it and finds a device, unless the weights are quantized.</summary>
    [RegularExpression("auto|cpu|cuda")]
    public string Device { get; init; } = "cpu";

    /// <summary>Threads that compute at the same time on the CPU.</summary>
    [Range(1, 1024)]
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Tokens of one cache block.</summary>
    [Range(1, 1024)]
    public int BlockSize { get; init; } = 16;

    /// <summary>Blocks of the key-value cache; <see cref="BlockSize"/> times this is the number of tokens all running requests can hold.</summary>
    [Range(2, 1 << 24)]
    public int KvBlocks { get; init; } = 2048;

    /// <summary>Whether requests share the cached blocks of equal prompt beginnings (within one adapter and one cache salt).</summary>
    public bool PrefixCaching { get; init; } = true;

    /// <summary>Whether and how tokens are guessed ahead. What is generated stays the same.</summary>
    public SpeculativeMethod SpeculativeMethod { get; init; }

    /// <summary>Tokens guessed ahead of a request at most, in one iteration; a busy engine guesses fewer or none.</summary>
    [Range(1, 32)]
    public int SpeculativeTokens { get; init; } = 4;

    /// <summary>Newest tokens that must have occurred before, at least.</summary>
    [Range(1, 16)]
    public int PromptLookupMin { get; init; } = 2;

    /// <summary>Newest tokens that are compared, at most: among earlier occurrences the longest agreement is followed.</summary>
    [Range(1, 16)]
    public int PromptLookupMax { get; init; } = 4;

    /// <summary>Tokens of one iteration at most: decode rows, drafts, prompt chunks and the finetuning window together.</summary>
    [Range(1, 1 << 20)]
    public int MaxBatchTokens { get; init; } = 512;

    /// <summary>Requests that decode or prefill at the same time.</summary>
    [Range(1, 1 << 16)]
    public int MaxRunningRequests { get; init; } = 64;

    /// <summary>Requests that wait for admission; more are refused with <c>queue_full</c>.</summary>
    [Range(1, 1 << 20)]
    public int MaxQueuedRequests { get; init; } = 256;

    /// <summary>Finetuning tokens of one iteration beside inference; 0 keeps finetuning out altogether.</summary>
    [Range(0, 1 << 20)]
    public int MaxFinetuneTokensPerIteration { get; init; } = 256;

    /// <summary>Bytes that the activations of all finetuning jobs may take, beside the key-value cache; null for no bound.</summary>
    [Range(0, long.MaxValue)]
    public long? FinetuneMemoryBytes { get; init; }

    public CoServingPolicy Policy { get; init; } = CoServingPolicy.InferenceFirst;

    /// <summary>Share of time that <see cref="CoServingPolicy.WeightedFair"/> grants finetuning at least.</summary>
    [Range(0.0, 0.95)]
    public double TrainingShare { get; init; } = 0.25;

    /// <summary>Time per output token to hold; null sets no bound, so that finetuning fills every iteration.</summary>
    public TimeSpan? TpotObjective { get; init; }

    /// <summary>Time from a request's arrival to its first token to hold; null sets no bound.</summary>
    public TimeSpan? TtftObjective { get; init; }

    /// <summary>Folder where what iterations cost is kept from one start to the next; null keeps nothing.</summary>
    public string? LatencyFolder { get; init; }

    /// <summary>Turns of inference and finetuning instead of co-serving, for comparisons with engines that have nothing better.</summary>
    internal TemporalSharing? Temporal { get; init; }

    /// <summary>Told of every iteration when it has ended, on the engine's thread; for measurements.</summary>
    internal Action<Batch, BatchOutcome>? Observer { get; init; }

    /// <summary>Adapters in memory at the same time; a further one takes the place of the one that nobody used for longest.</summary>
    [Range(0, 4096)]
    public int MaxAdapters { get; init; } = 16;

    [Range(1, 1024)]
    public int MaxLoraRank { get; init; } = 64;

    /// <summary>Seed of requests that bring none; null draws one from the operating system.</summary>
    public long? Seed { get; init; }

    /// <exception cref="ValidationException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        Validator.ValidateObject(this, new ValidationContext(this), validateAllProperties: true);
        if (Type is not (torch.ScalarType.Float32 or torch.ScalarType.BFloat16 or torch.ScalarType.Float64))
            throw new ValidationException($"Type is {Type}; it must be Float32, BFloat16 or Float64.");
        if (Quantization != Quantization.None && (Type != torch.ScalarType.Float32 || Device == "cuda"))
            throw new ValidationException($"Quantization {Quantization} computes in Float32 on the CPU, but Type is {Type} and Device {Device}.");
        if (PromptLookupMin > PromptLookupMax)
            throw new ValidationException($"PromptLookupMin is {PromptLookupMin}; it must not exceed PromptLookupMax, {PromptLookupMax}.");
        if (TpotObjective is { } tpot && tpot <= TimeSpan.Zero)
            throw new ValidationException($"TpotObjective is {tpot}; it must be positive.");
        if (TtftObjective is { } ttft && ttft <= TimeSpan.Zero)
            throw new ValidationException($"TtftObjective is {ttft}; it must be positive.");
        if (MaxBatchTokens < MaxRunningRequests)
            throw new ValidationException($"MaxBatchTokens ({MaxBatchTokens}) must be at least MaxRunningRequests ({MaxRunningRequests}), so that every running request can decode in one iteration.");
    }
}
