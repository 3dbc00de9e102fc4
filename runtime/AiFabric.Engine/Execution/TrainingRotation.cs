using AiFabric.Engine.Training;

namespace AiFabric.Engine.Execution;

/// <summary>The attached training sessions, asked in turn. For the engine's thread only.</summary>
/// <param name="wake">Called, on any thread, when a session has work again.</param>
internal sealed class TrainingRotation(Action wake)
{
    private readonly List<(ITrainingExecutor Executor, Action<Exception>? Faulted)> sessions = [];
    private int turn;

    public void Attach(ITrainingExecutor executor, Action<Exception>? faulted)
    {
        if (sessions.Exists(session => ReferenceEquals(session.Executor, executor)))
            throw new InvalidOperationException("This training session is attached already.");
        sessions.Add((executor, faulted));
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

    /// <summary>The session asked last.</summary>
    public ITrainingExecutor? Asked { get; private set; }

    /// <summary>The next session that has work, starting after the one whose turn was last.</summary>
    public ITrainingExecutor? Next(out TrainingDemand demand)
    {
        for (int i = 0; i < sessions.Count; i++)
        {
            int candidate = (turn + i) % sessions.Count;
            Asked = sessions[candidate].Executor;
            demand = Asked.Demand;
            if (demand.Phase == TrainingPhase.Idle || demand.TokensLeft <= 0)
                continue;
            turn = (candidate + 1) % sessions.Count;
            return sessions[candidate].Executor;
        }
        demand = default;
        return null;
    }

    private bool Remove(ITrainingExecutor executor, out Action<Exception>? faulted)
    {
        int index = sessions.FindIndex(session => ReferenceEquals(session.Executor, executor));
        faulted = index < 0 ? null : sessions[index].Faulted;
        if (index < 0)
            return false;
        executor.WorkAvailable -= wake;
        sessions.RemoveAt(index);
        turn = 0;
        return true;
    }
}
