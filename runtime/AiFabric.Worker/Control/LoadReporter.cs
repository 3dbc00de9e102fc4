using AiFabric.Protocol.Control;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Hosting;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Control;

/// <summary>Says how busy this worker is or, before its model is loaded, how far that is.</summary>
internal sealed class LoadReporter(string servedName, WorkerState state, LoadingProgress progress, TrainingRegistry training)
{
    /// <exception cref="ApiException">503: loading or the engine failed, and the process is about to end.</exception>
    public LoadReport Report()
    {
        if (state.Phase == WorkerPhase.Loading)
            return new LoadReport { Model = servedName, Loading = progress.Current };
        var model = state.Model;
        var load = model.Backend.Load;
        return new LoadReport
        {
            Model = model.Name,
            ModelDigest = model.Backend.Digest,
            RunningRequests = load.Running,
            QueuedRequests = load.Queued,
            QueuedPromptTokens = load.QueuedPromptTokens,
            TotalKvBlocks = load.TotalBlocks,
            FreeKvBlocks = load.FreeBlocks,
            Adapters = [.. model.Backend.Adapters.Select(a => a.Name)],
            Training = training.List(),
            TpotAttainment = load.TpotAttainment,
        };
    }
}
