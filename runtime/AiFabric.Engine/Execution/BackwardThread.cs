using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// Runs a slice of backward while the engine's thread runs a forward pass, each on half of the threads: decoding waits for memory where backward computes, and
/// threads of both on one core would wait for each other. Who ends first leaves its half to the other: the pass has it from its next kernel on, the slice from its
/// next layer. The engine's thread waits for the slice before it does anything else with the session: its calls never overlap.
/// </summary>
internal sealed class BackwardThread : IDisposable
{
    private readonly IForwardPass pass;
    private readonly TimeProvider time;
    private readonly SemaphoreSlim work = new(0);
    private readonly SemaphoreSlim done = new(0);
    private readonly Thread thread;
    private ITrainingExecutor? training;
    private BackwardSlice slice;
    private ExceptionDispatchInfo? failure;
    private int tokens;
    private SliceTimes beside;
    private SliceTimes alone;
    private volatile bool passEnded;

    /// <param name="pass">What runs meanwhile.</param>
    /// <param name="time">Clock.</param>
    public BackwardThread(IForwardPass pass, TimeProvider time)
    {
        (this.pass, this.time) = (pass, time);
        thread = new Thread(Main) { Name = "backward", IsBackground = true };
        thread.Start();
    }

    /// <summary>Begins a slice; the pass comes next. <see cref="Wait"/> before the next one.</summary>
    public void Start(ITrainingExecutor executor, BackwardSlice part)
    {
        (training, slice, failure, tokens, passEnded) = (executor, part, null, 0, false);
        pass.Width = pass.Threads - Half;
        work.Release();
    }

    /// <summary>Leaves all threads to the slice, and waits for it.</summary>
    /// <returns>Tokens whose backward ended, and what failed.</returns>
    public (int Tokens, ExceptionDispatchInfo? Failure) Wait()
    {
        passEnded = true;
        done.Wait();
        return (tokens, failure);
    }

    /// <summary>What of the last slice began while the pass ran.</summary>
    public SliceTimes Beside => beside;

    /// <summary>What of it began later, on all threads.</summary>
    public SliceTimes Alone => alone;

    public void Dispose()
    {
        training = null;
        work.Release();
        thread.Join();
        work.Dispose();
        done.Dispose();
    }

    private int Half => pass.Threads / 2;

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
                Run(executor);
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
            pass.Width = pass.Threads;
            done.Release();
        }
    }

    private void Run(ITrainingExecutor executor)
    {
        (beside, alone) = (default, default);
        var pieces = new Slices(executor, slice, layers: 1, pass, time);
        while (!pieces.IsDone)
        {
            bool isAlone = passEnded;
            set_num_threads(isAlone ? pass.Threads : Half); // Of this thread's work.
            pieces.Next(ref isAlone ? ref alone : ref beside);
        }
        tokens = pieces.Tokens;
    }
}
