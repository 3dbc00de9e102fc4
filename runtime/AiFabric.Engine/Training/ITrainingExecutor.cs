using static TorchSharp.torch;

namespace AiFabric.Engine.Training;

/// <summary>What a training session can do next.</summary>
public enum TrainingPhase
{
    /// <summary>Nothing for now: no job, suspended, or busy in the background.</summary>
    Idle,

    /// <summary>A window of tokens can ride in the next shared forward pass.</summary>
    Forward,

    /// <summary>A slice of backward can run after the next forward pass.</summary>
    Backward,

    /// <summary>Nothing any more: it ended, and the engine lets go of it.</summary>
    Over,
}

/// <summary>Work on offer to the scheduler.</summary>
/// <param name="Phase">Kind of work.</param>
/// <param name="TokensLeft">Tokens left in this phase of the running sequence: the largest useful window.</param>
public readonly record struct TrainingDemand(TrainingPhase Phase, int TokensLeft)
{
    /// <summary>Tokens of the sequence before the next window; in backward those before its end.</summary>
    public int Position { get; init; }

    /// <summary>Steps of a window's backward, which take about equally long: of each layer its recomputation and its gradients.</summary>
    public int Steps { get; init; } = 1;

    /// <summary>Tokens of the window whose backward is under way, with which the next slice goes on; 0 when the next slice begins one.</summary>
    public int OpenTokens { get; init; }

    /// <summary>Tokens of the window under way whose loss is still due.</summary>
    public int LossLeft { get; init; }

    /// <summary>Steps that the window under way still needs.</summary>
    public int StepsLeft { get; init; }
}

/// <summary>A part of backward of one window: first the loss of its tokens, then steps, from the last layer's down.</summary>
/// <param name="Tokens">Tokens of the window; 0 for nothing.</param>
/// <param name="LossTokens">Tokens at most whose loss, and its gradient, is computed.</param>
/// <param name="Steps">Steps at most. None before the loss of all tokens is computed.</param>
public readonly record struct BackwardSlice(int Tokens, int LossTokens, int Steps);

/// <summary>
/// Token-level finetuning inside the serving loop (FlexLLM, arXiv 2402.18789): forward windows ride in the inference batch,
/// backward runs in slices between iterations. Every member is called on the engine's thread only.
/// </summary>
public interface ITrainingExecutor : IDisposable
{
    /// <summary>What it can do next. Asked once per iteration; cheap.</summary>
    TrainingDemand Demand { get; }

    /// <summary>Raised, on any thread, when <see cref="Demand"/> may have risen from idle: wakes an engine that sleeps.</summary>
    event Action? WorkAvailable
    {
        add { }
        remove { }
    }

    /// <summary>
    /// Takes up to <paramref name="maxTokens"/> tokens of the running sequence into the coming forward pass. A window that was never
    /// ended, because its pass failed, is forgotten: its tokens run again.
    /// </summary>
    /// <exception cref="InvalidOperationException">The phase is not <see cref="TrainingPhase.Forward"/>.</exception>
    TrainingWindow BeginWindow(int maxTokens);

    /// <summary>Ends the window that <see cref="BeginWindow"/> opened.</summary>
    /// <param name="window">The open window.</param>
    /// <param name="finalHidden">[n, hidden] before the final norm; not taken over.</param>
    void EndWindow(TrainingWindow window, Tensor finalHidden);

    /// <summary>
    /// One slice of backward: goes on with the window under way, or begins the next one, last window first. After a batch's last slice also the
    /// optimizer step.
    /// </summary>
    /// <param name="slice">What to do at most.</param>
    /// <param name="between">Called on the same thread between any two of its larger operations: there the number of threads may change.</param>
    /// <returns>Tokens whose backward is complete with this slice: the window's, or 0 while something of it is left.</returns>
    /// <exception cref="InvalidOperationException">The phase is not <see cref="TrainingPhase.Backward"/>.</exception>
    int RunBackward(BackwardSlice slice, Action? between = null);
}

/// <summary>Consecutive tokens of one training or held-out sequence on their way through the shared forward pass.</summary>
public abstract class TrainingWindow
{
    /// <summary>Position of the first token in its sequence.</summary>
    public abstract int Start { get; }

    /// <summary>Tokens in the window.</summary>
    public abstract int Count { get; }

    /// <summary>The <see cref="Count"/> token ids.</summary>
    public abstract IReadOnlyList<long> Tokens { get; }

    /// <summary>Adapter whose rows are added, or null while the base model is evaluated. Not to be disposed by the caller.</summary>
    public abstract Adapters.PeftAdapter? Adapter { get; }

    /// <summary>Factors on what the adapter's low-rank product reads, [n, in] in the caller's scope; null where nothing is dropped.</summary>
    public virtual Tensor? InputMask(int layer, Adapters.LoraTarget target, ScalarType type, Device device) => null;

    /// <summary>Keeps what backward recomputes a layer from; copies, so the caller may overwrite <paramref name="x"/>.</summary>
    /// <param name="layer">Layer that reads the tensor.</param>
    /// <param name="x">[n, hidden]: the layer's input, before its attention norm.</param>
    public abstract void SaveLayerInput(int layer, Tensor x);

    /// <summary>Appends keys and values (copied) and returns all of the sequence so far, this window included.</summary>
    /// <param name="layer">Layer they belong to.</param>
    /// <param name="k">[n, kvHeads, headDim], rotated.</param>
    /// <param name="v">[n, kvHeads, headDim].</param>
    /// <returns>Views [Start + n, kvHeads, headDim], valid until <see cref="ITrainingExecutor.EndWindow"/>; the caller disposes them.</returns>
    public abstract (Tensor Keys, Tensor Values) Append(int layer, Tensor k, Tensor v);
}
