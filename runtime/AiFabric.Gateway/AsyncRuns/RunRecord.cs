using System.Text.Json.Serialization;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>Where a run stands.</summary>
public enum RunStatus
{
    Queued,
    InProgress,
    Completed,
    Failed,
    Cancelled,
    Expired,
}

/// <summary>A run as it is kept: one small document, written only over what was read, so that of two replicas one wins. Its texts lie beside it.</summary>
public sealed record RunRecord
{
    /// <summary><c>run-…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Whose it is; empty where no keys are asked for.</summary>
    public required string Tenant { get; init; }

    /// <summary>Namespace of the Pipeline.</summary>
    public required string Namespace { get; init; }

    /// <summary>Name of the Pipeline.</summary>
    public required string Pipeline { get; init; }

    /// <summary>Unix seconds; so are all times but the lease's.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>When it expires unless it has ended.</summary>
    public required long DeadlineAt { get; init; }

    public required long KeepSeconds { get; init; }

    /// <summary>Document of its idempotency key; null without one.</summary>
    public string? Reservation { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    public RunStatus Status { get; init; }

    public long? StartedAt { get; init; }

    public long? EndedAt { get; init; }

    /// <summary>How often it was begun. With <see cref="Owner"/> it names a lease.</summary>
    public int Attempts { get; init; }

    /// <summary>How often it was given back by a gateway that stopped.</summary>
    public int Releases { get; init; }

    /// <summary>The gateway process that works on it; null when none does.</summary>
    public string? Owner { get; init; }

    /// <summary>Until when the others leave it to that process, Unix milliseconds.</summary>
    public long LeaseUntil { get; init; }

    /// <summary>What happened in it, in order.</summary>
    public IReadOnlyList<PageRef> Pages { get; init; } = [];

    /// <summary>How many of its events were published.</summary>
    public int Told { get; init; }

    /// <summary>Document of its answer.</summary>
    public string? Output { get; init; }

    public Usage? Usage { get; init; }

    public IReadOnlyList<string>? PartialStages { get; init; }

    public PipelineRunError? Error { get; init; }

    [JsonIgnore]
    public ModelKey Key => new(Namespace, Pipeline);

    [JsonIgnore]
    public bool HasEnded => Status is not (RunStatus.Queued or RunStatus.InProgress);

    /// <summary>Entries of all pages.</summary>
    [JsonIgnore]
    public int Entries => Pages.Sum(page => page.Entries);

    /// <summary>Events that there are to tell: each entry, and its end.</summary>
    [JsonIgnore]
    public int Events => Entries + (HasEnded ? 1 : 0);

    /// <summary>After this it does not exist.</summary>
    [JsonIgnore]
    public long? ExpiresAt => EndedAt + KeepSeconds;

    /// <summary>Until when it exists at the latest.</summary>
    [JsonIgnore]
    public long LatestEnd => DeadlineAt + KeepSeconds;

    /// <summary>Whether a gateway works on it at this time (Unix milliseconds), as far as can be known.</summary>
    public bool IsLeased(long now) => Owner is not null && now < LeaseUntil;

    /// <summary>The run, ended.</summary>
    public RunRecord End(RunStatus status, long at, PipelineRunError? error = null) => this with { Status = status, EndedAt = at, Error = error, Owner = null, LeaseUntil = 0 };
}

/// <summary>A document with a part of what happened in a run.</summary>
/// <param name="Key">The document.</param>
/// <param name="Entries">How many entries it holds.</param>
public sealed record PageRef(string Key, int Entries);

/// <summary>What such a document holds.</summary>
public sealed record RunPage(IReadOnlyList<RunEntry> Entries);

/// <summary>Something that happened in a run.</summary>
/// <param name="At">Unix milliseconds.</param>
/// <param name="Attempt">In which attempt.</param>
/// <param name="Stage">The stage that finished an item; null when the attempt was started.</param>
/// <param name="Item">The item.</param>
/// <param name="Text">What the stage made of it; null when more was made than is kept.</param>
/// <param name="Characters">Length of that.</param>
public sealed record RunEntry(long At, int Attempt, string? Stage = null, string? Item = null, string? Text = null, int Characters = 0);

/// <summary>The text that a run was given, or gave.</summary>
public sealed record RunText(string Text);

/// <summary>A list of runs.</summary>
public sealed record RunIndex(IReadOnlyList<IndexEntry> Runs);

/// <summary>A run in a list.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Tenant">Whose it is.</param>
/// <param name="CreatedAt">Unix seconds.</param>
/// <param name="LatestEnd">Until when it exists at the latest, Unix seconds.</param>
public sealed record IndexEntry(string Id, string Tenant, long CreatedAt, long LatestEnd);

/// <summary>What was asked for under an idempotency key.</summary>
/// <param name="Id">The run.</param>
/// <param name="Digest">Of the request.</param>
/// <param name="CreatedAt">Unix seconds.</param>
public sealed record RunReservation(string Id, string Digest, long CreatedAt);

[JsonSourceGenerationOptions(UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RunRecord))]
[JsonSerializable(typeof(RunPage))]
[JsonSerializable(typeof(RunText))]
[JsonSerializable(typeof(RunIndex))]
[JsonSerializable(typeof(RunReservation))]
internal sealed partial class RunRecordJson : JsonSerializerContext;
