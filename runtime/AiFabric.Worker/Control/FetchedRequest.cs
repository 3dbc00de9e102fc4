using AiFabric.Protocol.Control;

namespace AiFabric.Worker.Control;

/// <summary>A training request whose data are on this machine, where they stay until it is disposed.</summary>
/// <param name="Request">Names files of this machine.</param>
/// <param name="Data">Keeps the data in the cache; null when they are not there.</param>
/// <param name="EvalData">The same for the data to evaluate on.</param>
internal sealed record FetchedRequest(TrainingRequest Request, IDisposable? Data = null, IDisposable? EvalData = null) : IDisposable
{
    public void Dispose()
    {
        Data?.Dispose();
        EvalData?.Dispose();
    }
}
