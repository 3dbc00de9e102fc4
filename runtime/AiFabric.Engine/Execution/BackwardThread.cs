using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// Runs a slice of backward while the engine's thread runs a forward pass. Decoding waits for memory where backward computes, so the two take less time
/// together than one after the other. The engine's thread waits for the slice before it does anything else with the session: its calls never overlap.
/// </summary>
internal sealed class BackwardThread : IDisposable
{
    private readonly SemaphoreSlim work = new(0);
    private readonly SemaphoreSlim done = new(0);
    private readonly Thread thread;
    private ITrainingExecutor? training;
    private BackwardSlice slice;
    private ExceptionDispatchInfo? failure;
    private int tokens;

    public BackwardThread()
    {
        thread = new Thread(Main) { Name = "backward", IsBackground = true };
        thread.Start();
    }

    /// <summary>Begins a slice. <see cref="Wait"/> before the next one.</summary>
    public void Start(ITrainingExecutor executor, BackwardSlice part)
    {
        (training, slice, failure, tokens) = (executor, part, null, 0);
        work.Release();
    }

    /// <summary>Waits for the slice.</summary>
    /// <returns>Tokens whose backward ended, and what failed.</returns>
    public (int Tokens, ExceptionDispatchInfo? Failure) Wait()
    {
        done.Wait();
        return (tokens, failure);
    }

    public void Dispose()
    {
        training = null;
        work.Release();
        thread.Join();
        work.Dispose();
        done.Dispose();
    }

    [SuppressMessage("Design", "CA1031", Justification = "Handed to the engine's thread, which knows whose failure it is.")]
    private void Main()
    {
        while (true)
        {
            work.Wait();
            if (training is not { } executor)
                return;
            try
            {
                using var scope = NewDisposeScope();
                tokens = executor.RunBackward(slice);
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
            done.Release();
        }
    }
}
