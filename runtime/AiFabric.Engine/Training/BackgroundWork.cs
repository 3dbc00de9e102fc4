using System.Diagnostics.CodeAnalysis;

namespace AiFabric.Engine.Training;

/// <summary>What a piece of background work hands to the engine's thread. Disposed when nobody takes it any more.</summary>
internal abstract record Outcome : IDisposable
{
    public sealed record Prepared(TrainingRun Run, int Samples, int HeldOut, int Skipped) : Outcome
    {
        public override void Dispose()
        {
            Run.Dispose();
            base.Dispose();
        }
    }

    public sealed record CheckpointSaved(int Step) : Outcome;

    public sealed record Exported(string Digest) : Outcome;

    public sealed record Broken(TrainingError Error, Exception? Exception) : Outcome;

    public virtual void Dispose()
    {
    }
}

/// <summary>
/// Runs one slow thing at a time away from the engine's thread: reading data, writing checkpoints. The engine's thread looks for the
/// outcome once per iteration, so that disks never stall a decode step.
/// </summary>
internal sealed class BackgroundWork : IDisposable
{
    private readonly Lock gate = new();
    private readonly CancellationTokenSource stopping = new();
    private Outcome? arrived;
    private bool running;
    private bool disposed;

    /// <summary>Raised on a thread of the pool when an outcome has arrived.</summary>
    public event Action? Arrived;

    /// <summary>Whether work runs or its outcome was not taken yet.</summary>
    public bool Busy
    {
        get
        {
            lock (gate)
            {
                return running || arrived is not null;
            }
        }
    }

    /// <summary>Starts work; its exceptions become <see cref="Outcome.Broken"/>.</summary>
    /// <exception cref="InvalidOperationException">Other work is not done.</exception>
    public void Start(Func<CancellationToken, Outcome> work)
    {
        lock (gate)
        {
            if (running || arrived is not null)
                throw new InvalidOperationException("One piece of background work at a time.");
            running = true;
        }

        CancellationToken cancellationToken = stopping.Token;
        _ = Task.Run(() => Post(Run(work, cancellationToken)), CancellationToken.None);
    }

    /// <summary>Takes the outcome that has arrived, if one has.</summary>
    public Outcome? Take()
    {
        lock (gate)
        {
            Outcome? outcome = arrived;
            arrived = null;
            return outcome;
        }
    }

    /// <summary>Asks running work to stop early; its outcome still arrives.</summary>
    public void Cancel()
    {
        lock (gate)
        {
            if (!disposed)
                stopping.Cancel();
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
                return;
            disposed = true;
            arrived?.Dispose();
            arrived = null;
            stopping.Cancel();
            stopping.Dispose();
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "The top of a thread: whatever happened, the training session must hear of it. It logs the exception.")]
    private static Outcome Run(Func<CancellationToken, Outcome> work, CancellationToken cancellationToken)
    {
        try
        {
            return work(cancellationToken);
        }
        catch (TrainingException e)
        {
            return new Outcome.Broken(e.Error, e.InnerException);
        }
        catch (Exception e)
        {
            return new Outcome.Broken(TrainingException.Internal(e), e);
        }
    }

    private void Post(Outcome outcome)
    {
        lock (gate)
        {
            running = false;
            if (disposed)
            {
                outcome.Dispose();
                return;
            }

            arrived = outcome;
        }

        Arrived?.Invoke();
    }
}
