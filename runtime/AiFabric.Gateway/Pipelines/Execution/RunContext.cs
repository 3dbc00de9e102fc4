using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>What is the same for all calls of a client's request, nested pipelines included.</summary>
public sealed class RunContext
{
    private readonly TimeProvider _time;
    private readonly Shared _shared;

    /// <param name="id">Names the run to functions and in traces.</param>
    /// <param name="tenant">Whose request it is; null without API keys.</param>
    /// <param name="time">Clock.</param>
    /// <param name="session">Names the client's session; null without one.</param>
    public RunContext(string id, string? tenant, TimeProvider time, ulong? session = null)
    {
        (Id, Tenant, _time, Session, _shared) = (id, tenant, time, session, new Shared());
        Since = time.GetTimestamp();
    }

    private RunContext(RunContext of, TimeSpan later)
    {
        (Id, Tenant, _time, Session, _shared) = (of.Id, of.Tenant, of._time, of.Session, of._shared);
        Since = of.Since + (long)(later.TotalSeconds * _time.TimestampFrequency);
    }

    public string Id { get; }

    public string? Tenant { get; }

    /// <summary>Names the client's session: all its calls of a model stay on one side of the model's canary.</summary>
    public ulong? Session { get; }

    /// <summary>
    /// Where calls wait, those with the lowest go first: when the client's request came, a timestamp of this gateway's clock; later for a call that those before it may spare
    /// (<see cref="Later"/>).
    /// </summary>
    public long Since { get; }

    /// <summary>Time since then; zero while that is still to come.</summary>
    public TimeSpan Age => TimeSpan.FromTicks(Math.Max(0, _time.GetElapsedTime(Since).Ticks));

    /// <summary>Tokens of all models together.</summary>
    public Usage Usage => _shared.Usage;

    /// <summary>Whether a call could not wait for a worker, because this gateway stops: another gateway may do what failed here.</summary>
    public bool WasTurnedAway => _shared.WasTurnedAway;

    /// <summary>The same request for a call that waits as if the request had come so much later.</summary>
    public RunContext Later(TimeSpan by) => by == TimeSpan.Zero ? this : new RunContext(this, by);

    public void Count(Usage? usage) => _shared.Count(usage);

    /// <summary>Says <see cref="WasTurnedAway"/>.</summary>
    public void TurnAway() => _shared.WasTurnedAway = true;

    private sealed class Shared
    {
        public volatile bool WasTurnedAway;

        private int _promptTokens;
        private int _completionTokens;

        public Usage Usage => new() { PromptTokens = _promptTokens, CompletionTokens = _completionTokens, TotalTokens = _promptTokens + _completionTokens };

        public void Count(Usage? usage)
        {
            if (usage is null)
                return;
            Interlocked.Add(ref _promptTokens, usage.PromptTokens);
            Interlocked.Add(ref _completionTokens, usage.CompletionTokens);
        }
    }
}
