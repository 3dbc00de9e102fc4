using Microsoft.Extensions.Logging;

namespace AiFabric.Engine;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Loaded {Folder}: {Layers} layers, {Parameters} parameters as {Type} on {Device}; {Blocks} cache blocks of {BlockSize} tokens.")]
    public static partial void ModelLoaded(ILogger logger, string folder, int layers, long parameters, string type, string device, int blocks, int blockSize);

    [LoggerMessage(2, LogLevel.Error, "An iteration with {Sequences} sequences failed; they end with an error.")]
    public static partial void IterationFailed(ILogger logger, Exception exception, int sequences);

    [LoggerMessage(3, LogLevel.Error, "An iteration failed with finetuning and not without it; that training session leaves the loop.")]
    public static partial void TrainingLeftLoop(ILogger logger, Exception exception);

    [LoggerMessage(4, LogLevel.Information, "Adapter {Name} (rank {Rank}, {Digest}) is loaded.")]
    public static partial void AdapterLoaded(ILogger logger, string name, int rank, string digest);

    [LoggerMessage(5, LogLevel.Information, "Adapter {Name} is unloaded.")]
    public static partial void AdapterUnloaded(ILogger logger, string name);

    [LoggerMessage(6, LogLevel.Critical, "The engine's thread ended: every sequence is cancelled and no request is taken any more.")]
    public static partial void LoopFailed(ILogger logger, Exception exception);

    [LoggerMessage(8, LogLevel.Information, "Loaded {Folder}: an encoder of {Parameters} parameters, vectors of {Size} numbers, on {Device}, {Digest}.")]
    public static partial void EncoderLoaded(ILogger logger, string folder, long parameters, int size, string device, string digest);

    [LoggerMessage(9, LogLevel.Warning, "What iterations cost cannot be kept in {Path}: finetuning begins with small windows.")]
    public static partial void LatencyNotKept(ILogger logger, Exception exception, string path);

    [LoggerMessage(10, LogLevel.Warning, "This model runs on libtorch's operations alone, which is slower than with kernels of our own: {Reason}.")]
    public static partial void NoCudaKernels(ILogger logger, string reason);

    [LoggerMessage(11, LogLevel.Information, "{Source}: added tokens with ids from {First} to {Last} are left out, for which the model has no rows: text that spells one stays text.")]
    public static partial void TokensLeftOut(ILogger logger, string source, int first, int last);

    [LoggerMessage(12, LogLevel.Warning, "A request, adapter {Adapter}, ends with an error: {Error}")]
    public static partial void SequenceFailed(ILogger logger, string adapter, string? error);

    [LoggerMessage(7, LogLevel.Error, "A callback of the engine's caller failed.")]
    public static partial void CallbackFailed(ILogger logger, Exception exception);
}
