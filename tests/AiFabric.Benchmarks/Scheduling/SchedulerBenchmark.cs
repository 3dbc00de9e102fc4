using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Tests.Scheduling;
using BenchmarkDotNet.Attributes;

namespace AiFabric.Benchmarks.Scheduling;

/// <summary>
/// Steps of a busy scheduler: 64 sequences run while others arrive, are admitted with cached prompts, preempted, cancelled and end. The model's part is a few
/// hashes. Sequences are made beforehand, as requests bring memory of their own.
/// </summary>
[MemoryDiagnoser]
public class SchedulerBenchmark
{
    /// <summary>Steps of one measurement, on which its time and bytes are divided.</summary>
    public const int Steps = 1_000;

    private const int Blocks = 400;
    private const int BlockSize = 4;
    private const int Requests = 10_000;
    private const int Waiting = 20;
    private const int FewTokens = 3; // So that guesses are sometimes right.

    private readonly BatchOutcome outcome = new();
    private ScriptedKeyValues model = new(1, 1);
    private Scheduler scheduler = new(new SchedulerOptions { MaxBatchTokens = 1, MaxRunning = 1 }, new BlockPool(1));
    private Sequence[] requests = [];
    private int next;

    /// <summary>Tokens guessed ahead of a sequence; 0 without speculation.</summary>
    [Params(0, 4)]
    public int Guessed { get; set; }

    [IterationSetup]
    public void Prepare()
    {
        var random = new Random(1);
        model = new ScriptedKeyValues(Blocks, BlockSize, FewTokens);
        scheduler = new Scheduler(
            new SchedulerOptions { MaxBatchTokens = 512, MaxRunning = 64, SpeculativeTokens = Guessed, PromptLookupMin = 1 }, new BlockPool(Blocks));
        scheduler.Ended.EnsureCapacity(Requests);
        outcome.Sampled.EnsureCapacity(512);
        requests = [.. Enumerable.Range(0, Requests).Select(i => Request(i, random))];
        next = 0;
        for (int step = 0; step < 2 * Steps; step++) // Lists grow to their size.
            Step();
    }

    [Benchmark(OperationsPerInvoke = Steps)]
    public void Busy()
    {
        for (int step = 0; step < Steps; step++)
            Step();
    }

    private void Step()
    {
        for (; scheduler.WaitingCount < Waiting && next < Requests; next++)
        {
            scheduler.Add(requests[next]);
            if (next % 5 == 0)
                requests[next - (next % 20)].RequestCancel();
        }
        var batch = scheduler.Next(default, default);
        model.Run(batch, outcome);
        scheduler.Commit(batch, outcome);
    }

    private static Sequence Request(int number, Random random)
    {
        int prompt = random.Next(2, 120), answer = random.Next(1, 120);
        var request = new GenerationRequest
        {
            PromptTokens = [.. Enumerable.Range(0, prompt).Select(place => place < 24 ? place : random.Next(30_000))],
            MaxTokens = answer,
            Tenant = $"t{number % 5}",
        };
        var sequence = new Sequence(new SequenceId(number), request, answer, seed: number, adapterLoad: 0, BlockSize);
        sequence.Lookup = new PromptLookup(1, 4, sequence.Capacity);
        return sequence;
    }
}
