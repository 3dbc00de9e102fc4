using AiFabric.Engine.Requests;
using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>Consecutive tokens of one sequence in a batch.</summary>
/// <param name="Sequence">The sequence.</param>
/// <param name="Start">Position of the first token.</param>
/// <param name="Count">Tokens; 1 for a decode row without drafts.</param>
/// <param name="Samples">Whether the last token's logits give the next token.</param>
/// <param name="Drafts">How many of the tokens, the last ones, are guesses (<see cref="Sequence.TokensAndDrafts"/>) that the pass checks.</param>
public readonly record struct BatchRows(Sequence Sequence, int Start, int Count, bool Samples, int Drafts = 0)
{
    /// <summary>The last so many tokens' logits are wanted.</summary>
    public int LogitRows => Samples ? Drafts + 1 : 0;
}

/// <summary>What one iteration computes. One instance is filled again and again, so that a step allocates nothing.</summary>
/// <param name="sequences">Sequences for which there is room without growing.</param>
public sealed class Batch(int sequences = 0)
{
    /// <summary>Sequences that advance by one token each, and by the drafts that turn out right.</summary>
    public List<BatchRows> DecodeRows { get; } = new(sequences);

    /// <summary>Pieces of prompts (or of preempted sequences that are computed again).</summary>
    public List<BatchRows> PromptChunks { get; } = new(sequences);

    /// <summary>Tokens of all <see cref="PromptChunks"/>.</summary>
    public int PromptTokens { get; internal set; }

    /// <summary>Decode rows that bring drafts.</summary>
    public int DraftRows { get; internal set; }

    /// <summary>Drafts of all <see cref="DecodeRows"/>.</summary>
    public int DraftTokens { get; internal set; }

    /// <summary>Finetuning tokens that may ride in the forward pass.</summary>
    public int TrainingForwardTokens { get; internal set; }

    /// <summary>Pairs of a query and a key that the inference rows attend to.</summary>
    public double Pairs { get; internal set; }

    /// <summary>The finetuning work in tokens of a forward pass, by which jobs share.</summary>
    public double TrainingWork { get; internal set; }

    /// <summary>Where in its sequence the finetuning work is: <see cref="TrainingDemand.Position"/>.</summary>
    public int TrainingPosition { get; internal set; }

    /// <summary>The slice of backward that may follow the forward pass.</summary>
    public BackwardSlice Backward { get; internal set; }

    /// <summary>Whether <see cref="Backward"/> runs beside the pass, each on half of the threads, and not after it.</summary>
    public bool IsBeside { get; internal set; }

    /// <summary>Milliseconds that it takes by what is known of costs, before any margin.</summary>
    public double ExpectedMilliseconds { get; internal set; }

    /// <summary>Sequences sent back to the queue to make room.</summary>
    public int Preempted { get; internal set; }

    /// <summary>Sequences admitted for the first time.</summary>
    public List<Sequence> Newcomers { get; } = new(sequences);

    /// <summary>Prompt tokens that this iteration's admissions found in the cache.</summary>
    public int PrefixHitTokens { get; internal set; }

    /// <summary>Prompt tokens that this iteration's admissions looked up.</summary>
    public int PrefixQueryTokens { get; internal set; }

    /// <summary>Tokens of all <see cref="DecodeRows"/>.</summary>
    public int DecodeTokens => DecodeRows.Count + DraftTokens;

    public int InferenceTokens => DecodeTokens + PromptTokens;

    public bool HasInference => DecodeRows.Count > 0 || PromptChunks.Count > 0;

    public bool HasTraining => TrainingForwardTokens > 0 || Backward.Tokens > 0;

    public bool IsEmpty => !HasInference && !HasTraining;

    internal void Clear()
    {
        DecodeRows.Clear();
        PromptChunks.Clear();
        Newcomers.Clear();
        DraftRows = DraftTokens = PromptTokens = TrainingForwardTokens = Preempted = PrefixHitTokens = PrefixQueryTokens = 0;
        (Pairs, TrainingWork, TrainingPosition, Backward, IsBeside, ExpectedMilliseconds) = (0, 0, 0, default, false, 0);
    }
}

/// <summary>A drawn token.</summary>
/// <param name="Token">Its id.</param>
/// <param name="Logprob">Natural log probability before temperature and filters; null when not asked for.</param>
/// <param name="Top">The most likely tokens; null when not asked for.</param>
/// <param name="Accepted">Whether it is the draft at its place, so that the next token is its row's next.</param>
public readonly record struct SampledToken(int Token, double? Logprob, IReadOnlyList<TokenProbability>? Top, bool Accepted = false)
{
    /// <summary>Why no token could be drawn, which ends the sequence; null when one was.</summary>
    public string? Failure { get; init; }
}

/// <summary>How long parts of a slice of backward took.</summary>
/// <param name="LossTokens">Tokens whose loss was computed.</param>
/// <param name="Losses">Duration of that.</param>
/// <param name="Steps">Steps that were done.</param>
/// <param name="OfSteps">Duration of those.</param>
public readonly record struct SliceTimes(int LossTokens, TimeSpan Losses, int Steps, TimeSpan OfSteps)
{
    /// <summary>Duration of all.</summary>
    public TimeSpan All => Losses + OfSteps;

    /// <summary>With a piece more: of losses, or of steps.</summary>
    public SliceTimes And(BackwardSlice piece, TimeSpan took) => piece.Steps == 0
        ? this with { LossTokens = LossTokens + piece.LossTokens, Losses = Losses + took }
        : this with { Steps = Steps + piece.Steps, OfSteps = OfSteps + took };

    /// <summary>Both together.</summary>
    public SliceTimes And(SliceTimes other) => new(LossTokens + other.LossTokens, Losses + other.Losses, Steps + other.Steps, OfSteps + other.OfSteps);
}

/// <summary>What an iteration computed. One instance is filled again and again.</summary>
public sealed class BatchOutcome
{
    /// <summary>
    /// The tokens of each row that samples: decode rows first, then prompt chunks, in the batch's order. A row has one token, after those of its drafts
    /// that were accepted.
    /// </summary>
    public List<SampledToken> Sampled { get; } = [];

    /// <summary>Finetuning tokens that did ride in the forward pass.</summary>
    public int TrainingForwardTokens { get; set; }

    /// <summary>Finetuning tokens whose backward ended; 0 for a slice that leaves steps of its window.</summary>
    public int TrainingBackwardTokens { get; set; }

    /// <summary>Duration of the forward pass, sampling included.</summary>
    public TimeSpan ForwardTime { get; set; }

    /// <summary>What of the slice of backward ran on all threads.</summary>
    public SliceTimes Alone { get; set; }

    /// <summary>What of it ran on half of them, beside the pass.</summary>
    public SliceTimes Beside { get; set; }

    /// <summary>The piece of it, losses or one step, that began on half of the threads and ended on all, since the pass had ended.</summary>
    public SliceTimes Turned { get; set; }

    /// <summary>How long <see cref="Turned"/> had half of the threads.</summary>
    public TimeSpan TurnedAfter { get; set; }

    /// <summary>Duration of the slice of backward; zero without one.</summary>
    public TimeSpan BackwardTime => Alone.All + Beside.All + Turned.All;

    /// <summary>Whether pass and slice ran at the same time.</summary>
    public bool IsTogether { get; set; }

    /// <summary>Duration of both.</summary>
    public TimeSpan Duration => !IsTogether ? ForwardTime + BackwardTime : ForwardTime > BackwardTime ? ForwardTime : BackwardTime;

    /// <summary>A token of <see cref="Sampled"/>.</summary>
    /// <exception cref="ArgumentException">There are fewer than the sampling rows ask for.</exception>
    internal SampledToken At(int index) => index < Sampled.Count
        ? Sampled[index]
        : throw new ArgumentException($"{Sampled.Count} tokens are fewer than the sampling rows ask for.", nameof(index));

    internal void Clear()
    {
        Sampled.Clear();
        TrainingForwardTokens = TrainingBackwardTokens = 0;
        (ForwardTime, Alone, Beside, Turned, TurnedAfter, IsTogether) = (TimeSpan.Zero, default, default, default, default, false);
    }
}
