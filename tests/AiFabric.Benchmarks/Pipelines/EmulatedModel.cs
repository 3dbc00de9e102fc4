using AiFabric.Engine;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>
/// A model server in virtual time: what each iteration computes is decided by the engine's own <see cref="Scheduler"/> (continuous batching, chunked prompts, prefix cache, admission by the
/// age of the request), how long it takes by <paramref name="pass"/>.
/// </summary>
/// <param name="clock">Virtual time.</param>
/// <param name="pass">What an iteration costs.</param>
internal sealed class EmulatedModel(VirtualClock clock, MeasuredPass pass)
{
    /// <summary>Tokens of a block.</summary>
    private const int BlockSize = 16;

    /// <summary>What 80 GB hold beside 14 GB of weights, at 512 KiB a token and with a tenth left free.</summary>
    private const int Blocks = 6_800;

    private readonly Scheduler _scheduler = new(SchedulerOptions.From(new EngineOptions { ModelFolder = "" }), new BlockPool(Blocks));
    private readonly BatchOutcome _outcome = new();
    private readonly Dictionary<SequenceId, Action<int>> _calls = [];
    private bool _isBusy;
    private long _last;
    private int _nextToken = 1_000_000;

    /// <summary>Calls that run or wait.</summary>
    public int Load => _scheduler.RunningCount + _scheduler.WaitingCount;

    /// <summary>Asks for an answer.</summary>
    /// <param name="stage">Calls of one stage begin with the same tokens.</param>
    /// <param name="shared">How many.</param>
    /// <param name="own">Tokens of the prompt after them.</param>
    /// <param name="tokens">Of the answer.</param>
    /// <param name="since">It waits as if it had come then.</param>
    /// <param name="made">Told how many tokens there are, whenever there are more.</param>
    /// <returns>Ends it.</returns>
    public Action Ask(int stage, int shared, int own, int tokens, double since, Action<int> made)
    {
        int[] prompt = [.. Enumerable.Range(stage * 1_000, shared), .. Enumerable.Range(_nextToken, own)];
        _nextToken += own;
        var request = new GenerationRequest { PromptTokens = prompt, MaxTokens = tokens, Age = TimeSpan.FromSeconds(Math.Max(0, clock.Now - since)) };
        var sequence = new Sequence(new SequenceId(++_last), request, tokens, seed: 0, adapterLoad: 0, BlockSize) { Arrived = TimeSpan.FromSeconds(clock.Now) };
        _calls.Add(sequence.Id, made);
        _scheduler.Add(sequence);
        if (!_isBusy)
            clock.At(clock.Now, Iterate); // With all that comes at this moment.
        _isBusy = true;
        return sequence.RequestCancel;
    }

    private void Iterate()
    {
        Batch batch = _scheduler.Next(default, TimeSpan.FromSeconds(clock.Now));
        _isBusy = !batch.IsEmpty;
        Forget();
        if (!_isBusy)
            return;
        double seconds = pass.Seconds(batch);
        clock.At(clock.Now + seconds, () => End(batch, seconds));
    }

    private void End(Batch batch, double seconds)
    {
        _outcome.Sampled.Clear();
        var grown = new List<Sequence>();
        foreach (BatchRows row in (IEnumerable<BatchRows>)[.. batch.DecodeRows, .. batch.PromptChunks])
        {
            if (!row.Samples)
                continue;
            _outcome.Sampled.Add(new SampledToken(1, null, null));
            grown.Add(row.Sequence);
        }
        _outcome.ForwardTime = TimeSpan.FromSeconds(seconds);
        _scheduler.Commit(batch, _outcome);
        foreach (Sequence sequence in grown.Where(sequence => !sequence.CancelRequested))
            _calls[sequence.Id](sequence.OutputCount);
        Forget();
        clock.At(clock.Now, Iterate);
    }

    private void Forget()
    {
        foreach (Sequence sequence in _scheduler.Ended)
            _calls.Remove(sequence.Id);
        _scheduler.Ended.Clear();
    }
}
