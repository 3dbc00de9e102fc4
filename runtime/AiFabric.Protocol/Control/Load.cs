using System.Text.Json.Serialization;

namespace AiFabric.Protocol.Control;

/// <summary>Answer of <c>GET /control/load</c>: what a router or scaler needs to know of one worker.</summary>
public sealed record LoadReport
{
    /// <summary>Served base model.</summary>
    public required string Model { get; init; }

    /// <summary>Digest of the base weights; null until they are loaded, and while it is being computed, which the first report begins.</summary>
    public string? ModelDigest { get; init; }

    /// <summary>How far the model is; null when it is loaded. Until then all that follows is empty.</summary>
    public ModelLoading? Loading { get; init; }

    /// <summary>Requests that are decoding or in prefill.</summary>
    public int RunningRequests { get; init; }

    /// <summary>Requests that wait for admission.</summary>
    public int QueuedRequests { get; init; }

    /// <summary>Prompt tokens that wait for prefill.</summary>
    public long QueuedPromptTokens { get; init; }

    public int TotalKvBlocks { get; init; }

    public int FreeKvBlocks { get; init; }

    /// <summary>Names of loaded adapters.</summary>
    public IReadOnlyList<string> Adapters { get; set; } = [];

    /// <summary>Training sessions the worker knows.</summary>
    public IReadOnlyList<TrainingStatus> Training { get; set; } = [];

    /// <summary>Fraction of tokens within the TPOT objective over the last minute; null without traffic.</summary>
    public double? TpotAttainment { get; init; }
}

[JsonConverter(typeof(JsonStringEnumConverter<LoadingState>))]
public enum LoadingState
{
    /// <summary>The server is asked which files there are.</summary>
    Resolving,
    Downloading,

    /// <summary>Another worker downloads the same into the shared cache.</summary>
    Waiting,

    /// <summary>The files are here; the weights go into memory.</summary>
    Loading,

    /// <summary>The last try to download failed; <see cref="ModelLoading.Message"/> says why. The next one follows by itself.</summary>
    Failed,
}

/// <summary>How far a worker is with its model.</summary>
public sealed record ModelLoading
{
    public required LoadingState State { get; init; }

    /// <summary>Why the last try failed, one line.</summary>
    public string? Message { get; init; }

    /// <summary>Bytes that are here, those of an earlier try included.</summary>
    public long DownloadedBytes { get; init; }

    /// <summary>Null while it is not known.</summary>
    public long? TotalBytes { get; init; }
}
