using AiFabric.Engine;

namespace AiFabric.Worker.CommandLine;

/// <summary>Everything <c>serve</c> can be told. Values are checked where they are read.</summary>
internal sealed record ServeOptions
{
    /// <summary>Where the Hugging Face folder lies.</summary>
    public required string Model { get; init; }

    /// <summary>Branch, tag, commit or digest of the model, as its scheme knows them; null for the newest.</summary>
    public string? Revision { get; init; }

    /// <summary>Folder for what is downloaded.</summary>
    public string ModelCache { get; init; } = Path.Combine(Path.GetTempPath(), "aifabric-models");

    /// <summary>What <see cref="ModelCache"/> may take; null for all that the disk has.</summary>
    public long? ModelCacheBytes { get; init; }

    /// <summary>The wait after the first failed download; doubles with each further one.</summary>
    public TimeSpan DownloadRetry { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Looks up a variable: stores take endpoints and credentials from the environment.</summary>
    public Func<string, string?> Environment { get; init; } = System.Environment.GetEnvironmentVariable;

    /// <summary>Name in OpenAI's model field.</summary>
    public required string ServedName { get; init; }

    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Serving port; 0 takes a free one.</summary>
    public int Port { get; init; } = 8000;

    /// <summary>Control port; 0 takes a free one.</summary>
    public int ControlPort { get; init; } = 8001;

    /// <summary>File with the bearer token of the control port.</summary>
    public string? ControlTokenFile { get; init; }

    /// <summary>The bearer token itself, when no file is given. Without either that port is open.</summary>
    public string? ControlToken { get; init; }

    /// <summary><c>float32</c> or <c>bfloat16</c>.</summary>
    public string Type { get; init; } = "float32";

    /// <summary>How the base model's matrices are stored.</summary>
    public Quantization Quantization { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</summary>
    public string Device { get; init; } = "auto";

    public int? Threads { get; init; }

    /// <summary>How tokens are guessed ahead.</summary>
    public SpeculativeMethod SpeculativeMethod { get; init; }

    public int SpeculativeTokens { get; init; } = 4;

    public int PromptLookupMin { get; init; } = 2;

    public int PromptLookupMax { get; init; } = 4;

    /// <summary>How keys and values are kept.</summary>
    public KvCacheType KvCacheType { get; init; }

    public int KvBlocks { get; init; } = 2048;

    public int MaxBatchTokens { get; init; } = 512;

    public int MaxRunningRequests { get; init; } = 64;

    public int MaxQueuedRequests { get; init; } = 256;

    public int MaxFinetuneTokens { get; init; } = 256;

    /// <summary>Bound on finetuning's activations; null for none.</summary>
    public int? FinetuneMemoryMebibytes { get; init; }

    public CoServingPolicy Policy { get; init; } = CoServingPolicy.InferenceFirst;

    /// <summary>Time per output token to hold.</summary>
    public TimeSpan? TpotObjective { get; init; }

    /// <summary>Time to the first token to hold.</summary>
    public TimeSpan? TtftObjective { get; init; }

    public int MaxAdapters { get; init; } = 16;

    public int MaxLoraRank { get; init; } = 64;

    /// <summary>How long new requests are still taken after SIGTERM, while readiness is denied already.</summary>
    public TimeSpan Linger { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long running requests may go on after SIGTERM, <see cref="Linger"/> included.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(25);

    public int MaxBodyBytes { get; init; } = 4 << 20;
}
