using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// Runs a slice of backward while the engine's thread runs a forward pass, each on half of the threads: decoding waits for memory where backward computes, and
/// threads of both on one core would wait for each other. Who ends first leaves its half to the other: the pass has it from its next kernel on, the slice from its
/// next larger operation. The engine's thread waits for the slice before it does anything else with the job: its calls never overlap.
/// </summary>
internal sealed class BackwardThread : IDisposable
{
    private readonly IForwardPass pass;
    private readonly TimeProvider time;
    private readonly SemaphoreSlim work = new(0);
    private readonly SemaphoreSlim done = new(0);
    private readonly Thread thread;
    private readonly Action widen;
    private ITrainingExecutor? training;
    private BackwardSlice slice;
    private ExceptionDispatchInfo? failure;
    private int tokens;
    private SliceTimes beside;
    private SliceTimes alone;
    private SliceTimes turned;
    private bool isWide;
    private long widenedAt;
    private volatile bool passEnded;

    /// <param name="pass">What runs meanwhile.</param>
    /// <param name="time">Clock.</param>
    public BackwardThread(IForwardPass pass, TimeProvider time)
    {
        (this.pass, this.time, widen) = (pass, time, Widen);
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

    /// <summary>The piece of it during which the pass ended.</summary>
    public SliceTimes Turned => turned;

    /// <summary>How long that had half of the threads.</summary>
    public TimeSpan TurnedAfter { get; private set; }

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
        (beside, alone, turned, TurnedAfter, isWide) = (default, default, default, default, false);
        set_num_threads(Half); // Of this thread's work.
        var pieces = new Slices(executor, slice, steps: 1, pass, time, widen);
        while (!pieces.IsDone)
        {
            Widen();
            bool isAlone = isWide;
            long start = time.GetTimestamp();
            var piece = pieces.Next();
            if (isAlone)
                alone = alone.And(piece);
            else if (!isWide)
                beside = beside.And(piece);
            else
                (turned, TurnedAfter) = (piece, time.GetElapsedTime(start, widenedAt));
        }
        tokens = pieces.Tokens;
    }

    // On the thread of the slice: libtorch holds the number by thread.
    private void Widen()
    {
        if (isWide || !passEnded)
            return;
        (isWide, widenedAt) = (true, time.GetTimestamp());
        set_num_threads(pass.Threads);
    }
}
