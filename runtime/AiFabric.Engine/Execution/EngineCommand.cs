using System.Diagnostics.CodeAnalysis;

namespace AiFabric.Engine.Execution;

/// <summary>Work that must run on the engine's thread, between two iterations.</summary>
internal abstract class EngineCommand
{
    /// <summary>Runs it. Reports its failure to whoever waits, never to the engine.</summary>
    public abstract void Execute();

    /// <summary>Tells whoever waits that the engine stopped first.</summary>
    public abstract void Abandon();
}

/// <summary>A command with an answer.</summary>
/// <param name="work">The work.</param>
/// <param name="cancellationToken">Skips the work if it has not begun.</param>
internal sealed class EngineCommand<T>(Func<T> work, CancellationToken cancellationToken) : EngineCommand
{
    private readonly TaskCompletionSource<T> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Answer => answer.Task;

    [SuppressMessage("Design", "CA1031", Justification = "Whatever the caller's work throws is the caller's answer.")]
    public override void Execute()
    {
        if (cancellationToken.IsCancellationRequested)
        {
            answer.TrySetCanceled(cancellationToken);
            return;
        }
        try
        {
            answer.TrySetResult(work());
        }
        catch (Exception e)
        {
            answer.TrySetException(e);
        }
    }

    public override void Abandon() => answer.TrySetException(new ObjectDisposedException(nameof(LlmEngine)));
}
