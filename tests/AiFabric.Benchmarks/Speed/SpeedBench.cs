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
        double bandwidth = ReadBandwidth.Measure(options.Threads, options.Rounds);
        var rows = new List<SpeedRow>();
        // Starts come first: libraries and weights that this process maps cannot be taken out of the file cache.
        if (options.Parts.Contains(SpeedParts.Start))
        {
            foreach (var (model, format) in Combinations(options, models))
                Add(await ServingBench.StartsAsync(options, model, format, cancellationToken));
        }
        if (options.Parts.Any(part => part != SpeedParts.Start))
        {
            foreach (var (model, format) in Combinations(options, models))
                await MeasureAsync(options, model, format, Add, cancellationToken);
        }
        return new SpeedReport(machine, options.Rounds, options.Threads, bandwidth, Q8Share(rows, models, bandwidth), rows);

        void Add(IReadOnlyList<SpeedRow> measured)
        {
            rows.AddRange(measured);
            foreach (var row in measured)
                say(row.ToString());
        }
    }

    private static IEnumerable<(ModelFiles, SpeedFormat)> Combinations(SpeedOptions options, IReadOnlyList<ModelFiles> models) =>
        models.SelectMany(model => options.Formats.Select(format => (model, format)));

    private static async Task MeasureAsync(
        SpeedOptions options, ModelFiles model, SpeedFormat format, Action<IReadOnlyList<SpeedRow>> add, CancellationToken cancellationToken)
    {
        await using var ours = new OwnSide(model, format, options);
        if (options.Parts.Contains(SpeedParts.Compute))
            await ComputeAsync(options, model, format, ours, add, cancellationToken);
        if (options.Parts.Contains(SpeedParts.Serve))
            add(await ServingBench.ServingAsync(options, model, format, ours, cancellationToken));
    }

    private static async Task ComputeAsync(
        SpeedOptions options, ModelFiles model, SpeedFormat format, OwnSide ours, Action<IReadOnlyList<SpeedRow>> add, CancellationToken cancellationToken)
    {
        var config = DecoderConfig.Load(model.Folder);
        using var peer = new PeerSide(model.Gguf(format), config.VocabularySize, options.Threads, MostSequences * PeerPositions, MostSequences);
        int length = Math.Min(options.PrefillTokens, config.MaximumPositions - 1);
        // Prompts differ from round to round, or ours would come from the cache.
        await CellAsync($"prefill {length}", round => ours.PrefillAsync(Prompt(length, -round)), round => peer.Prefill(Prompt(length, -round)));
        foreach (int batch in options.Batches)
        {
            int[][] prompts = [.. Enumerable.Range(1, batch).Select(seed => Prompt(options.ContextTokens, seed))];
            await CellAsync($"decode {batch}", _ => ours.DecodeAsync(prompts, options.DecodeSteps), _ => peer.Decode(prompts, options.DecodeSteps));
        }

        int[] Prompt(int tokens, int seed) => Prompts.Random(seed, tokens, config.VocabularySize);

        async Task CellAsync(string work, Func<int, Task<double>> own, Func<int, double> other)
        {
            double[] mine = new double[options.Rounds], theirs = new double[options.Rounds];
            for (int round = -1; round < options.Rounds; round++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                double a = await own(round + 2), b = other(round + 2);
                if (round >= 0) // The first one warms both up.
                    (mine[round], theirs[round]) = (a, b);
            }
            add([SpeedRow.Rate($"{model.Name} {format.Name} {work}", Rates.Median(mine), Rates.Median(theirs))]);
        }
    }

    private static double? Q8Share(List<SpeedRow> rows, IReadOnlyList<ModelFiles> models, double bandwidth) =>
        rows.Find(row => row.Cell == $"{models[0].Name} q8 decode 1") is { } row ? row.Ours * Q8Bytes(models[0]) / bandwidth : null;

    /// <summary>What a decoding step reads of the weights: every matrix once, the tied head among them; 34 bytes for 32 numbers.</summary>
    private static double Q8Bytes(ModelFiles model)
    {
        var config = DecoderConfig.Load(model.Folder);
        long keys = (long)config.KeyValueHeads * config.HeadSize, queries = (long)config.Heads * config.HeadSize;
        long layer = config.HiddenSize * ((2 * queries) + (2 * keys) + (3L * config.IntermediateSize));
        return ((layer * config.Layers) + ((long)config.VocabularySize * config.HiddenSize)) * 34.0 / 32;
    }
}
