using System.Globalization;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Tests.Layering;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>Ten thousand conversations of a real service, scaled to a context of 512 tokens.</summary>
public sealed class TraceTests(ITestOutputHelper output)
{
    private const int Blocks = 400;
    private const int BlockSize = 4;
    private const int Context = 512;
    private const int PromptScale = 32;
    private const int OutputScale = 8;
    private const int SharedPrompt = 48;
    private const int Tenants = 7;
    private const int MostWaiting = 100;

    private readonly BlockPool pool = new(Blocks);
    private readonly BatchOutcome outcome = new();
    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void Every_token_of_ten_thousand_requests_is_accounted_for(int guessed)
    {
        var (scheduler, model) = Start(guessed);
        var requests = Sequences();
        var random = new Random(4);
        var cancelAfter = requests.Select(_ => random.Next(5) == 0 ? random.Next(1, 60) : int.MaxValue).ToList();
        var alive = new List<(Sequence Sequence, long CancelAt)>();
        long sampled = 0, computed = 0, preempted = 0, drafted = 0, accepted = 0;
        int step = 0, next = 0;
        for (; next < requests.Count || scheduler.HasSequences; step++)
        {
            for (int more = random.Next(0, 8); more > 0 && next < requests.Count && scheduler.WaitingCount < MostWaiting; more--, next++)
            {
                scheduler.Add(requests[next]);
                alive.Add((requests[next], (long)step + cancelAfter[next]));
            }
            foreach (var (sequence, _) in alive.Where(entry => entry.CancelAt <= step))
                sequence.RequestCancel();
            var batch = scheduler.Next(default, default);
            Assert.False(batch.IsEmpty && scheduler.HasSequences, "stuck");
            Assert.All(batch.DecodeRows.Concat(batch.PromptChunks), row => Assert.Equal((false, row.Sequence.Computed), (row.Sequence.CancelRequested, row.Start)));
            model.Run(batch, outcome);
            (sampled, computed, preempted) = (sampled + outcome.Sampled.Count, computed + batch.InferenceTokens, preempted + batch.Preempted);
            (drafted, accepted) = (drafted + batch.DraftTokens, accepted + outcome.Sampled.Count(token => token.Accepted));
            scheduler.Commit(batch, outcome);
            alive.RemoveAll(entry => entry.Sequence.State == SequenceState.Ended);
        }

        CheckEnds(scheduler, model, requests, sampled);
        int cancelled = requests.Count(s => s.Finish == FinishReason.Cancelled), hits = requests.Sum(s => s.CachedTokens);
        output.WriteLine($"{step} iterations, {computed} tokens computed, {sampled} drawn, {hits} from the cache, {preempted} preemptions, {cancelled} cancelled, {accepted} of {drafted} guesses accepted");
        Assert.True(cancelled > 500 && preempted > 100 && hits > 10_000);
        Assert.True(guessed == 0 ? drafted == 0 : accepted > 10_000 && drafted > 2 * accepted);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void Steps_allocate_nothing_through_whole_lives_of_sequences(int guessed)
    {
        // Arrivals, admissions, cached prompts, preemptions, cancellations and ends; sequences are made before, as requests come with their own memory.
        var (scheduler, model) = Start(guessed);
        var job = new ScriptedJob(sequence: 300, steps: 6);
        var now = TimeSpan.Zero;
        var requests = Sequences();
        foreach (var sequence in requests)
            sequence.Lookup = new PromptLookup(1, 4, sequence.Capacity);
        scheduler.Ended.EnsureCapacity(requests.Count);
        int next = 0, steps = 0, preempted = 0;
        Run(until: 2_000);
        (steps, preempted) = (0, 0);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(until: requests.Count);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        output.WriteLine($"{allocated} bytes in {steps} iterations with {preempted} preemptions");
        Assert.Equal(0, allocated);
        Assert.True(steps > 2_000 && preempted > 100);
        Assert.True(job.Trained > 1_000);

        void Run(int until)
        {
            while (next < until)
            {
                for (; scheduler.WaitingCount < 20 && next < until; next++)
                {
                    scheduler.Add(requests[next]);
                    if (next % 5 == 0)
                        requests[next - (next % 20)].RequestCancel();
                }
                var batch = scheduler.Next(job.Demand, now);
                model.Run(batch, outcome);
                (outcome.TrainingForwardTokens, outcome.TrainingBackwardTokens) = (batch.TrainingForwardTokens, job.Run(batch));
                outcome.ForwardTime = TimeSpan.FromMilliseconds(1 + (0.01 * (batch.InferenceTokens + batch.TrainingForwardTokens)));
                outcome.Alone = new SliceTimes(batch.Backward.LossTokens, TimeSpan.Zero, batch.Backward.Steps, TimeSpan.FromMilliseconds(0.001 * batch.Backward.Tokens * batch.Backward.Steps));
                now += outcome.ForwardTime + outcome.BackwardTime;
                preempted += batch.Preempted;
                scheduler.Commit(batch, outcome);
                steps++;
            }
        }
    }

    private void CheckEnds(Scheduler scheduler, ScriptedKeyValues model, List<Sequence> requests, long sampled)
    {
        Assert.Equal(Blocks, pool.Free);
        Assert.Equal((0, 0, 0L), (scheduler.RunningCount, scheduler.WaitingCount, scheduler.WaitingTokens));
        Assert.Equal(requests.Count, scheduler.Ended.Count);
        Assert.Equal(requests.Count, scheduler.Ended.Distinct().Count());
        Assert.Equal(sampled, requests.Sum(s => (long)s.OutputCount));
        Assert.All(requests, s =>
        {
            Assert.True(s.Finish == FinishReason.Length ? s.OutputCount == s.MaxTokens : s.Finish == FinishReason.Cancelled && s.CancelRequested);
            Assert.Equal(model.Expected(s, s.OutputCount), s.Tokens[s.PromptCount..].ToArray());
        });
    }

    // What is guessed must sometimes be right, so the model then draws from few tokens.
    private (Scheduler Scheduler, ScriptedKeyValues Model) Start(int guessed) => (
        new Scheduler(new SchedulerOptions { MaxBatchTokens = 512, MaxRunning = 64, SpeculativeTokens = guessed, PromptLookupMin = 1, MaxFinetuneTokens = 128, TpotMilliseconds = 10 }, pool),
        guessed == 0 ? new ScriptedKeyValues(Blocks, BlockSize) : new ScriptedKeyValues(Blocks, BlockSize, vocabulary: 3));

    private static List<Sequence> Sequences()
    {
        var random = new Random(3);
        string file = Path.Combine(Repository.Root, "tests/AiFabric.Tests/Scheduling/azure-conversations.csv");
        return [.. File.ReadLines(file).Skip(1).Select((line, i) =>
        {
            int comma = line.IndexOf(',', StringComparison.Ordinal);
            int prompt = Scaled(line.AsSpan(0, comma), PromptScale), answer = Scaled(line.AsSpan(comma + 1), OutputScale);
            Assert.InRange(prompt + answer, 2, Context);
            int opening = random.Next(5);
            var request = new GenerationRequest
            {
                // Conversations open with one of a few instructions, the same ones for all tenants.
                PromptTokens = [.. Enumerable.Range(0, prompt).Select(p => p < SharedPrompt ? (1_000 * opening) + p : random.Next(30_000))],
                MaxTokens = answer,
                Tenant = i % Tenants == 0 ? null : $"t{Math.Min(i % Tenants, random.Next(Tenants))}",
                Priority = random.Next(3),
            };
            return new Sequence(new SequenceId(i), request, answer, seed: i, adapterLoad: 0, BlockSize);
        })];
    }

    private static int Scaled(ReadOnlySpan<char> tokens, int scale) => (int.Parse(tokens, NumberStyles.None, CultureInfo.InvariantCulture) + scale - 1) / scale;
}
