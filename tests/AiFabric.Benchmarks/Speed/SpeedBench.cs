using System.Diagnostics;
using AiFabric.Benchmarks.Machine;
using AiFabric.Benchmarks.Speed.Serving;
using AiFabric.Engine.Tests.LlamaCpp.Interop;
using AiFabric.Engine.Weights;

namespace AiFabric.Benchmarks.Speed;

/// <summary>Our engine and llama.cpp on the same files, prompts and threads, measured in turn.</summary>
internal static class SpeedBench
{
    private const int MostSequences = 64;
    private const int PeerPositions = 512;

    /// <exception cref="BenchException">llama.cpp is missing, or a side failed.</exception>
    public static async Task<SpeedReport> RunAsync(SpeedOptions options, IReadOnlyList<ModelFiles> models, Action<string> say, CancellationToken cancellationToken)
    {
        if (!LlamaCppLibraries.AreInstalled)
            throw new BenchException($"llama.cpp is not in {LlamaCppLibraries.Folder}: tests/prepare.sh installs it");
        var machine = MachineInfo.Read();
        var (rows, shares) = (new List<SpeedRow>(), new List<MemoryShare>());
        // Starts come first: libraries and weights that this process maps cannot be taken out of the file cache.
        if (options.Parts.Contains(SpeedParts.Start))
        {
            foreach (var (model, format) in Combinations(options, models))
                Add(await ServingBench.StartsAsync(options, model, format, cancellationToken));
        }
        if (options.Parts.Any(part => part != SpeedParts.Start))
        {
            foreach (var (model, format) in Combinations(options, models))
                await MeasureAsync(options, model, format, new Findings(Add, Share), cancellationToken);
        }
        return new SpeedReport(machine, options.Rounds, options.Threads, shares, rows);

        void Add(IReadOnlyList<SpeedRow> measured)
        {
            rows.AddRange(measured);
            foreach (var row in measured)
                say(row.ToString());
        }

        void Share(MemoryShare share)
        {
            shares.Add(share);
            say(share.ToString());
        }
    }

    private static IEnumerable<(ModelFiles, SpeedFormat)> Combinations(SpeedOptions options, IReadOnlyList<ModelFiles> models) =>
        models.SelectMany(model => options.Formats.Select(format => (model, format)));

    private static async Task MeasureAsync(
        SpeedOptions options, ModelFiles model, SpeedFormat format, Findings findings, CancellationToken cancellationToken)
    {
        await using var ours = new OwnSide(model, format, options);
        if (options.Parts.Contains(SpeedParts.Compute))
            await ComputeAsync(options, model, format, ours, findings, cancellationToken);
        if (options.Parts.Contains(SpeedParts.Serve))
            findings.Add(await ServingBench.ServingAsync(options, model, format, ours, cancellationToken));
    }

    private static async Task ComputeAsync(
        SpeedOptions options, ModelFiles model, SpeedFormat format, OwnSide ours, Findings findings, CancellationToken cancellationToken)
    {
        var config = DecoderConfig.Load(model.Folder);
        using var peer = new PeerSide(model.Gguf(format), config.VocabularySize, options.Threads, MostSequences * PeerPositions, MostSequences);
        int length = Math.Min(options.PrefillTokens, config.MaximumPositions - 1);
        // Prompts differ from round to round, or ours would come from the cache.
        await CellAsync($"prefill {length}", round => ours.PrefillAsync(Prompt(length, -round)), round => peer.Prefill(Prompt(length, -round)));
        foreach (int batch in options.Batches)
        {
            int[][] prompts = [.. Enumerable.Range(1, batch).Select(seed => Prompt(options.ContextTokens, seed))];
            await CellAsync($"decode {batch}", _ => ours.DecodeAsync(prompts, options.DecodeSteps), _ => peer.Decode(prompts, options.DecodeSteps), readsMemory: batch == 1);
        }

        int[] Prompt(int tokens, int seed) => Prompts.Random(seed, tokens, config.VocabularySize);

        async Task CellAsync(string work, Func<int, Task<double>> own, Func<int, double> other, bool readsMemory = false)
        {
            string cell = $"{model.Name} {format.Name} {work}";
            using var memory = readsMemory ? new ReadBandwidth(options.Threads) : null;
            double[] mine = new double[options.Rounds], theirs = new double[options.Rounds], reading = new double[options.Rounds], shares = new double[options.Rounds];
            long start = Stopwatch.GetTimestamp();
            for (int warmUp = 1; warmUp == 1 || Stopwatch.GetElapsedTime(start) < options.WarmUp; warmUp++)
            {
                await own(options.Rounds + warmUp);
                other(options.Rounds + warmUp);
            }
            for (int round = 0; round < options.Rounds; round++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                double a = await own(round + 1), read = memory?.Measure() ?? 0, b = other(round + 1);
                (mine[round], theirs[round], reading[round], shares[round]) = (a, b, read, a * StepBytes(config, format, options) / read);
            }
            findings.Add([SpeedRow.Rate(cell, Rates.Median(mine), Rates.Median(theirs))]);
            if (readsMemory)
                findings.Share(new MemoryShare(cell, Rates.Median(reading), Rates.Median(shares)));
        }
    }

    /// <summary>What a step of one sequence reads: every matrix once, the tied head among them, and the keys and values of what the sequence holds at first.</summary>
    private static double StepBytes(DecoderConfig config, SpeedFormat format, SpeedOptions options)
    {
        long keys = (long)config.KeyValueHeads * config.HeadSize, queries = (long)config.Heads * config.HeadSize;
        long layer = config.HiddenSize * ((2 * queries) + (2 * keys) + (3L * config.IntermediateSize));
        double weights = ((layer * config.Layers) + ((long)config.VocabularySize * config.HiddenSize)) * format.BytesPerWeight;
        return weights + (2.0 * keys * config.Layers * options.ContextTokens * format.BytesPerKey);
    }

    /// <summary>Where measurements go as they come.</summary>
    private sealed record Findings(Action<IReadOnlyList<SpeedRow>> Add, Action<MemoryShare> Share);
}
