using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// One pass of a batch through the model, and the key-value cache it works on. Norms, projections and the MLP see all rows at once, whatever
/// they are for; only attention treats decode rows, prompt chunks and the training window apart.
/// </summary>
internal interface IForwardPass : IDisposable
{
    /// <summary>Threads that compute. Where they are more than one, backward gains from running on some of them while the pass runs on the others.</summary>
    int Threads => 1;

    /// <summary>Threads that the pass uses from now on, from 1 to <see cref="Threads"/>. Set by any thread, also while it runs.</summary>
    int Width
    {
        set { }
    }

    /// <summary>Runs all layers. Sequences that are embedded (<see cref="Sequence.States"/>) get the final states of their rows.</summary>
    /// <param name="batch">Decode rows and prompt chunks.</param>
    /// <param name="window">The training window that rides along, or null. Its tensors need a dispose scope of the caller's.</param>
    /// <returns>[rows whose logits are wanted (<see cref="BatchRows.LogitRows"/>), vocab]: decode rows first, then prompt chunks, in the batch's order. May be overwritten; valid until the next call.</returns>
    Span<float> Run(Batch batch, TrainingWindow? window);

    /// <summary>Waits until a device that works by itself has done all that it was given, so that clocks tell what finetuning cost. Throws when the device failed at it.</summary>
    void Settle()
    {
    }

    /// <summary>What the last run made of its training window: [n, hidden] before the final norm, owned by the caller's scope.</summary>
    Tensor WindowOutput(TrainingWindow window);
}

/// <summary>A pass on a device from which logits are slow to fetch.</summary>
internal interface IGreedyPass : IForwardPass
{
    /// <summary>Runs all layers like <see cref="IForwardPass.Run"/>, for rows of which nothing but the most likely token is asked for.</summary>
    /// <param name="batch">Decode rows and prompt chunks.</param>
    /// <param name="window">The training window that rides along, or null.</param>
    /// <returns>
    /// [rows whose logits are wanted]: the token of the largest logit, the lowest among equals; −1 where the largest is not finite. Ids that are no token are not looked at. Valid
    /// until the next call.
    /// </returns>
    ReadOnlySpan<int> RunGreedy(Batch batch, TrainingWindow? window);
}
