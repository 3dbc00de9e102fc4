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
    /// <summary>Runs all layers.</summary>
    /// <param name="batch">Decode rows and prompt chunks.</param>
    /// <param name="window">The training window that rides along, or null. Its tensors need a dispose scope of the caller's.</param>
    /// <returns>[sampling rows, vocab]: decode rows first, then prompt chunks, in the batch's order. May be overwritten; valid until the next call.</returns>
    Span<float> Run(Batch batch, TrainingWindow? window);

    /// <summary>What the last run made of its training window: [n, hidden] before the final norm, owned by the caller's scope.</summary>
    Tensor WindowOutput(TrainingWindow window);
}
