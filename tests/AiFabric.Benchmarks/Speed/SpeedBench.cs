using AiFabric.Benchmarks.Machine;
using AiFabric.Engine.Tests.LlamaCpp.Interop;
using AiFabric.Engine.Weights;

namespace AiFabric.Benchmarks.Speed;

/// <summary>Our engine and llama.cpp on the same files, prompts and threads, measured in turn.</summary>
internal static class SpeedBench
{
    /// <exception cref="BenchException">llama.cpp is missing, or a side failed.</exception>
    public static async Task<SpeedReport> RunAsync(SpeedOptions options, IReadOnlyList<ModelFiles> models, Action<string> say, CancellationToken cancellationToken)
    {
        if (!LlamaCppLibraries.AreInstalled)
            throw new BenchException($"llama.cpp is not in {LlamaCppLibraries.Folder}: tests/prepare.sh installs it");
        var machine = MachineInfo.Read();
        double bandwidth = ReadBandwidth.Measure(options.Threads, options.Rounds);
        var rows = new List<SpeedRow>();
        double share = 0;
        foreach (var model in models)
        {
            foreach (var format in SpeedFormat.All)
            {
                var measured = await MeasureAsync(options, model, format, say, cancellationToken);
                rows.AddRange(measured);
                if (format.Name == "q8" && model == models[0])
                    share = measured.First(row => row.Cell.EndsWith("decode 1", StringComparison.Ordinal)).Ours * Q8Bytes(model) / bandwidth;
            }
        }
        return new SpeedReport(machine, options.Rounds, options.Threads, bandwidth, share, rows);
    }

    private static async Task<List<SpeedRow>> MeasureAsync(
        SpeedOptions options, ModelFiles model, SpeedFormat format, Action<string> say, CancellationToken cancellationToken)
    {
        var config = DecoderConfig.Load(model.Folder);
        await using var ours = new OwnSide(model, format, options);
        using var peer = new PeerSide(model.Gguf(format), config.VocabularySize, options.Threads);
        int length = Math.Min(options.PrefillTokens, config.MaximumPositions - 1);
        var rows = new List<SpeedRow>
        {
            // Prompts differ from round to round, or ours would come from the cache.
            await CellAsync($"prefill {length}", round => ours.PrefillAsync(Prompt(length, -round)), round => peer.Prefill(Prompt(length, -round))),
        };
        foreach (int batch in options.Batches)
        {
            int[][] prompts = [.. Enumerable.Range(1, batch).Select(seed => Prompt(options.ContextTokens, seed))];
            rows.Add(await CellAsync(
                $"decode {batch}", _ => ours.DecodeAsync(prompts, options.DecodeSteps), _ => peer.Decode(prompts, options.DecodeSteps)));
        }
        return rows;

        int[] Prompt(int tokens, int seed)
        {
            var random = new Random(seed);
            return [.. Enumerable.Range(0, tokens).Select(_ => random.Next(3, config.VocabularySize))];
        }

        async Task<SpeedRow> CellAsync(string work, Func<int, Task<double>> own, Func<int, double> other)
        {
            double[] mine = new double[options.Rounds], theirs = new double[options.Rounds];
            for (int round = -1; round < options.Rounds; round++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                double a = await own(round + 2), b = other(round + 2);
                if (round >= 0) // The first one warms both up.
                    (mine[round], theirs[round]) = (a, b);
            }
            var row = new SpeedRow($"{model.Name} {format.Name} {work}", Median(mine), Median(theirs));
            say($"{row.Cell}: {row.Ours:0} against {row.Peer:0} tok/s, ratio {row.Ratio:0.00}");
            return row;
        }
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

    /// <summary>What a decoding step reads of the weights: every matrix once, the tied head among them; 34 bytes for 32 numbers.</summary>
    private static double Q8Bytes(ModelFiles model)
    {
        var config = DecoderConfig.Load(model.Folder);
        long keys = (long)config.KeyValueHeads * config.HeadSize, queries = (long)config.Heads * config.HeadSize;
        long layer = config.HiddenSize * ((2 * queries) + (2 * keys) + (3L * config.IntermediateSize));
        return ((layer * config.Layers) + ((long)config.VocabularySize * config.HiddenSize)) * 34.0 / 32;
    }
}
