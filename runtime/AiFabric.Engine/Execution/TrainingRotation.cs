using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Engine.Execution;

/// <summary>The attached training sessions, which share the finetuning work by their weights. For the engine's thread only.</summary>
/// <param name="wake">Called, on any thread, when a session has work again.</param>
internal sealed class TrainingRotation(Action wake)
{
    private readonly List<Session> sessions = [];
    private double level;

    public void Attach(ITrainingExecutor executor, Action<Exception>? faulted, double weight)
    {
        if (sessions.Exists(session => ReferenceEquals(session.Executor, executor)))
            throw new InvalidOperationException("This training session is attached already.");
        sessions.Add(new Session(executor, faulted, new WorkShare(weight)));
        executor.WorkAvailable += wake;
    }

    /// <returns>False when it was not attached.</returns>
    public bool Detach(ITrainingExecutor executor) => Remove(executor, out _);

    /// <summary>Takes a failed session out of the loop.</summary>
    /// <returns>Whom to tell; null when nobody asked.</returns>
    public Action<Exception>? TakeFaulted(ITrainingExecutor executor)
    {
        Remove(executor, out var faulted);
        return faulted;
    }

    /// <summary>Who was asked last.</summary>
    public ITrainingExecutor? Asked { get; private set; }

    /// <summary>Of the sessions that have work the one that got the least, by weight. Those that are over leave.</summary>
    public ITrainingExecutor? Next(out TrainingDemand demand)
    {
        demand = default;
        Session? next = null;
        int index = 0;
        while (index < sessions.Count)
        {
            var session = sessions[index];
            Asked = session.Executor;
            var offered = Asked.Demand;
            if (offered.Phase == TrainingPhase.Over)
            {
                Detach(Asked);
                continue;
            }
            index++;
            if (offered.Phase == TrainingPhase.Idle || offered.TokensLeft <= 0)
                continue;
            session.Share.CatchUp(level);
            if (next is null || session.Share.Level < next.Share.Level)
                (next, demand) = (session, offered);
        }
        level = next?.Share.Level ?? level;
        return next?.Executor;
    }

    /// <summary>Notes what a session got.</summary>
    public void Charge(ITrainingExecutor executor, double work)
    {
        foreach (var session in sessions)
        {
            if (ReferenceEquals(session.Executor, executor))
                session.Share.Charge(work);
        }
    }

    private bool Remove(ITrainingExecutor executor, out Action<Exception>? faulted)
    {
        int index = sessions.FindIndex(session => ReferenceEquals(session.Executor, executor));
        faulted = index < 0 ? null : sessions[index].Faulted;
        if (index < 0)
            return false;
        executor.WorkAvailable -= wake;
        sessions.RemoveAt(index);
        return true;
    }

    private sealed record Session(ITrainingExecutor Executor, Action<Exception>? Faulted, WorkShare Share);
}
