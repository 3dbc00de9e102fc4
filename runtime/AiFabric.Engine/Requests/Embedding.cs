namespace AiFabric.Engine.Requests;

/// <summary>A vector that is being computed. Disposing it cancels the sequence within one iteration and frees its blocks.</summary>
/// <param name="generation">The sequence's end comes here.</param>
/// <param name="states">Read after that end.</param>
public sealed class Embedding(Generation generation, StatePool states) : IDisposable
{
    /// <summary>Waits for the vector.</summary>
    /// <returns>Mean of the final hidden states after the last norm (of an encoder: its head's output), not scaled to any length.</returns>
    /// <exception cref="EngineRejectedException">The engine stopped, or failed with this request.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the sequence goes on until this is disposed.</exception>
    public async Task<float[]> ReadAsync(CancellationToken cancellationToken)
    {
        var end = await generation.Events.ReadAsync(cancellationToken).ConfigureAwait(false);
        return end.Finish switch
        {
            FinishReason.Stop => states.Mean(),
            FinishReason.Error => throw new EngineRejectedException(RejectionCodes.EngineFailed, $"The engine failed: {end.Error}"),
            _ => throw new EngineRejectedException(RejectionCodes.EngineStopped, "The engine is shutting down."),
        };
    }

    public void Dispose() => generation.Dispose();
}
