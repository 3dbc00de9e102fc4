using System.Text.Json.Serialization;

namespace AiFabric.Protocol.Control;

/// <summary>
/// Body of <c>PUT /control/training/{uid}</c>: starts the job, or brings a known one to this state.
/// The same body twice changes nothing; a session unknown to the worker resumes from the newest checkpoint in <see cref="CheckpointUri"/>.
/// </summary>
public sealed record TrainingRequest
{
    /// <summary>The job's name, for logs.</summary>
    public required string Job { get; init; }

    /// <summary>True stops after the running step and checkpoints; false goes on.</summary>
    public bool Suspend { get; init; }

    public required TrainingDataset Dataset { get; init; }

    public TrainingMethod Method { get; set; } = TrainingMethod.LoRA;

    /// <summary>Of <see cref="TrainingMethod.LoRA"/> alone.</summary>
    public TrainingLora Lora { get; set; } = new();

    public TrainingObjective Objective { get; set; } = TrainingObjective.SupervisedFinetuning;

    /// <summary>β of <see cref="TrainingObjective.DPO"/>: how closely the adapter is held to the base model.</summary>
    public double DpoBeta { get; set; } = 0.1;

    /// <summary>Null runs all steps and keeps the last adapter.</summary>
    public TrainingEarlyStopping? EarlyStopping { get; init; }

    public TrainingHyperparameters Hyperparameters { get; set; } = new();

    /// <summary>Folder of checkpoints, <c>file://</c>.</summary>
    public required string CheckpointUri { get; init; }

    /// <summary>Optimizer steps between two checkpoints.</summary>
    public int CheckpointIntervalSteps { get; set; } = 10;

    /// <summary>Checkpoints kept.</summary>
    public int CheckpointRetain { get; set; } = 2;

    /// <summary>Folder that receives the PEFT adapter, <c>file://</c>.</summary>
    public required string OutputUri { get; init; }

    /// <summary>Element type of the adapter's file.</summary>
    public TrainingPrecision OutputPrecision { get; set; } = TrainingPrecision.Float32;
}

[JsonConverter(typeof(JsonStringEnumConverter<TrainingMethod>))]
public enum TrainingMethod
{
    /// <summary>Low-rank additions, plain, rank-stabilized or weight-decomposed.</summary>
    LoRA,

    /// <summary>(IA)³: scales keys, values and the input of the down projection.</summary>
    IA3,
}

[JsonConverter(typeof(JsonStringEnumConverter<TrainingObjective>))]
public enum TrainingObjective
{
    SupervisedFinetuning,

    /// <summary>Direct preference optimization over <see cref="TrainingDataFormat.Preference"/> data; the base model is the reference.</summary>
    DPO,
}

[JsonConverter(typeof(JsonStringEnumConverter<TrainingPrecision>))]
public enum TrainingPrecision
{
    Float32,
    BFloat16,
}

[JsonConverter(typeof(JsonStringEnumConverter<TrainingSchedule>))]
public enum TrainingSchedule
{
    Constant,
    Linear,
    Cosine,
}

/// <summary>Ends a job whose held-out loss no longer falls; the best adapter is kept.</summary>
public sealed record TrainingEarlyStopping
{
    /// <summary>Evaluations in a row without a better loss after which the job ends.</summary>
    public required int Patience { get; init; }

    /// <summary>By how much a loss must be lower to count as better, nats per token.</summary>
    public double MinDelta { get; init; }
}

/// <summary>What to train on.</summary>
public sealed record TrainingDataset
{
    public required string Uri { get; init; }

    public TrainingDataFormat Format { get; set; } = TrainingDataFormat.Text;

    /// <summary>Held-out data; null holds out <see cref="EvalFraction"/> of <see cref="Uri"/>.</summary>
    public string? EvalUri { get; init; }

    /// <summary>Part of the data that is drawn by the seed and held out, in [0, 1); null for a tenth. Not beside <see cref="EvalUri"/>.</summary>
    public double? EvalFraction { get; init; }
}

[JsonConverter(typeof(JsonStringEnumConverter<TrainingDataFormat>))]
public enum TrainingDataFormat
{
    /// <summary>A <c>text</c> field; the loss is on every token.</summary>
    Text,

    /// <summary><c>prompt</c> and <c>completion</c>; the loss is on the completion.</summary>
    PromptCompletion,

    /// <summary>OpenAI <c>messages</c>; the loss is on the assistant's messages whose <c>weight</c> is not 0.</summary>
    Chat,

    /// <summary>A text as it is, such as a book; the loss is on every token.</summary>
    PlainText,

    /// <summary><c>prompt</c>, <c>chosen</c> and <c>rejected</c>, or OpenAI's <c>input</c>, <c>preferred_output</c> and <c>non_preferred_output</c>.</summary>
    Preference,
}

public sealed record TrainingLora
{
    public int Rank { get; set; } = 16;

    public int Alpha { get; set; } = 32;

    /// <summary>Names as in PEFT: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj. Empty: all seven.</summary>
    public IReadOnlyList<string> TargetModules { get; set; } = [];

    /// <summary>Part of the adapter's inputs that is dropped in training, in [0, 1).</summary>
    public double Dropout { get; init; }

    /// <summary>Scales by alpha / √rank and not by alpha / rank.</summary>
    public bool UseRslora { get; init; }

    /// <summary>Trains magnitudes of the weights' rows as well (DoRA).</summary>
    public bool UseDora { get; init; }
}

public sealed record TrainingHyperparameters
{
    public double LearningRate { get; set; } = 5e-4;

    public int Epochs { get; set; } = 1;

    /// <summary>Optimizer steps at most; null: as many as the epochs hold.</summary>
    public int? MaxSteps { get; init; }

    /// <summary>Sequences per optimizer step.</summary>
    public int BatchSize { get; set; } = 4;

    /// <summary>Tokens per sequence; longer samples are cut.</summary>
    public int SequenceLength { get; set; } = 256;

    /// <summary>Batches whose gradients are added up to one optimizer step.</summary>
    public int GradientAccumulationSteps { get; set; } = 1;

    public TrainingSchedule LearningRateSchedule { get; set; } = TrainingSchedule.Constant;

    public int WarmupSteps { get; init; }

    public double WeightDecay { get; init; }

    /// <summary>Global norm to which gradients are scaled down.</summary>
    public double MaxGradientNorm { get; set; } = 1.0;

    public long Seed { get; init; }
}

[JsonConverter(typeof(JsonStringEnumConverter<TrainingState>))]
public enum TrainingState
{
    /// <summary>Accepted; data or checkpoint are being read.</summary>
    Starting,
    Running,
    Suspended,

    /// <summary>The adapter is written under the output URI.</summary>
    Succeeded,

    /// <summary><see cref="TrainingStatus.Error"/> says why.</summary>
    Failed,
}

/// <summary>Answer of <c>GET</c> and <c>PUT /control/training/{uid}</c>.</summary>
public sealed record TrainingStatus
{
    public required string Uid { get; init; }

    public required TrainingState State { get; init; }

    /// <summary>Optimizer steps done.</summary>
    public int Step { get; init; }

    public int TotalSteps { get; init; }

    /// <summary>Training tokens seen.</summary>
    public long Tokens { get; init; }

    /// <summary>Mean training loss of the last step, nats per token.</summary>
    public double? Loss { get; init; }

    /// <summary>Loss on held-out data with the adapter, nats per token.</summary>
    public double? EvalLoss { get; init; }

    /// <summary>Loss of the base model on the same held-out data, nats per token.</summary>
    public double? BaseEvalLoss { get; init; }

    public double TokensPerSecond { get; init; }

    public double? EstimatedRemainingSeconds { get; init; }

    /// <summary>Step of the newest checkpoint; a loss of the worker costs the steps after it.</summary>
    public int CheckpointStep { get; init; }

    /// <summary>PEFT folder, when <see cref="State"/> is Succeeded.</summary>
    public string? AdapterUri { get; init; }

    /// <summary><c>sha256:…</c> of the adapter's files, when <see cref="State"/> is Succeeded.</summary>
    public string? AdapterDigest { get; init; }

    public TrainingError? Error { get; init; }
}

/// <summary>Why a session failed.</summary>
public sealed record TrainingError
{
    /// <summary>CamelCase, fit for a condition's reason: InvalidDataset, InvalidHyperparameters, CheckpointUnreadable, StorageFull, InsufficientMemory, LossNotFinite, InternalError.</summary>
    public required string Reason { get; init; }

    public required string Message { get; init; }

    /// <summary>Whether a retry may help. Bad input is not retried.</summary>
    public bool Retryable { get; init; }
}

/// <summary>Answer of <c>GET /control/training</c>.</summary>
public sealed record TrainingList
{
    public required IReadOnlyList<TrainingStatus> Sessions { get; init; }
}
