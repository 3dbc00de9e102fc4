using System.Globalization;
using AiFabric.Engine.Training.Planning;

namespace AiFabric.Engine.Training;

/// <summary>
/// What finetuning's activations may take. The key-value cache and this stand side by side, each of a fixed size: a burst of requests evicts no
/// training state, and a job takes no cache. A job gets what its <see cref="MemoryPlan"/> says before it begins, or is refused. Thread safe.
/// </summary>
/// <param name="bytes">For all jobs together; null for no bound.</param>
/// <param name="window">Tokens of a window at most, for the plans.</param>
public sealed class TrainingMemory(long? bytes, int window)
{
    private readonly Lock gate = new();
    private long leased;

    /// <summary>No bound.</summary>
    internal static TrainingMemory Unbounded { get; } = new(null, int.MaxValue);

    /// <summary>Bytes that jobs hold now.</summary>
    public long LeasedBytes
    {
        get
        {
            lock (gate)
            {
                return leased;
            }
        }
    }

    /// <summary>Tokens of a window at most.</summary>
    internal int Window => window;

    /// <summary>Takes a job's part; disposal gives it back.</summary>
    /// <param name="needed">Bytes.</param>
    /// <param name="tokens">Tokens of its longest sequence, for the message.</param>
    /// <exception cref="TrainingException">InsufficientMemory; retryable where it would fit once other jobs have ended.</exception>
    internal IDisposable Take(long needed, int tokens)
    {
        lock (gate)
        {
            if (bytes is { } most && leased + needed > most)
            {
                throw new TrainingException(
                    TrainingErrorReasons.InsufficientMemory,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"Sequences of {tokens} tokens need {needed:N0} bytes, but finetuning may hold {most:N0}, of which other jobs have {leased:N0}. Lower sequenceLength, or raise coServing.finetuneMemoryMebibytes."),
                    retryable: needed <= most);
            }

            leased += needed;
            return new Lease(this, needed);
        }
    }

    private sealed class Lease(TrainingMemory owner, long taken) : IDisposable
    {
        private bool returned;

        public void Dispose()
        {
            lock (owner.gate)
            {
                owner.leased -= returned ? 0 : taken;
                returned = true;
            }
        }
    }
}
