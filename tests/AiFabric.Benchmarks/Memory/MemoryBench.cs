using System.Text;
using System.Text.Json;
using AiFabric.Benchmarks.Speed;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Training;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Planning;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Benchmarks.Memory;

/// <summary>One row of the table, in bytes; measured figures are null where the model is only computed with.</summary>
internal sealed record MemoryRow(
    string Model, string Method, int Tokens, long Conventional, long Pruned, long Recomputed, double Saved,
    long? MeasuredConventional, long? MeasuredPruned, long? MeasuredRecomputed)
{
    /// <summary>The largest relative difference between prediction and measurement; null without one.</summary>
    public double? Error => MeasuredConventional is { } conventional && MeasuredPruned is { } pruned && MeasuredRecomputed is { } recomputed
        ? ((double[])[Of(Conventional, conventional), Of(Pruned, pruned), Of(Recomputed, recomputed)]).Max()
        : null;

    private static double Of(long predicted, long measured) => Math.Abs(predicted - measured) / (double)measured;
}

/// <summary>Activation memory of finetuning: conventional autograd, pruned, pruned and recomputed; predicted, and measured where the model fits this machine.</summary>
internal static class MemoryBench
{
    private const int Window = 128;
    private const int Looks = 3;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    // Llama 3.1.
    private static readonly DecoderConfig EightBillion = Large(4096, 14336, 32, 32, 128_256);
    private static readonly DecoderConfig SeventyBillion = Large(8192, 28672, 80, 64, 128_256);

    public static List<MemoryRow> Run(string repository, Action<string> tell)
    {
        var rows = new List<MemoryRow>();
        foreach (var files in (ModelFiles[])[ModelFiles.Demo(repository), ModelFiles.Random(repository)])
        {
            using var weights = DecoderWeights.Load(files.Folder, ScalarType.Float32, CPU);
            foreach (int tokens in (int[])[256, 512, 1024])
            {
                if (tokens > weights.Config.MaximumPositions)
                    continue;
                foreach (var method in Methods())
                {
                    rows.Add(Measured(files.Name, weights, method, tokens));
                    tell($"{files.Name}, {Name(method)}, {tokens} tokens");
                }
            }
        }
        foreach (var (name, config) in ((string, DecoderConfig)[])[("Llama 3.1 8B", EightBillion), ("Llama 3.1 70B", SeventyBillion)])
        {
            foreach (int tokens in (int[])[1024, 8192])
                rows.AddRange(Methods().Select(method => Row(name, method, tokens, new MemoryPlan(config, method, elementBytes: 2, tokens, Window), null)));
        }
        return rows;
    }

    public static string Markdown(IEnumerable<MemoryRow> rows)
    {
        var text = new StringBuilder("| model | method | tokens | conventional | pruned | pruned + recomputed | saved | largest error |\n|---|---|---|---|---|---|---|---|\n");
        foreach (var row in rows)
        {
            text.AppendLine(
                $"| {row.Model} | {row.Method} | {row.Tokens:N0} | {Cell(row.Conventional, row.MeasuredConventional)} | {Cell(row.Pruned, row.MeasuredPruned)} | " +
                $"{Cell(row.Recomputed, row.MeasuredRecomputed)} | {row.Saved:P1} | {(row.Error is { } error ? $"{error:P1}" : "not measured")} |");
        }
        return text.ToString();
    }

    public static string Json(IEnumerable<MemoryRow> rows) => JsonSerializer.Serialize(
        new { unit = "byte", window = Window, rows }, Indented);

    private static PeftMethod[] Methods() =>
    [
        new LoraMethod { Rank = 16, Targets = [LoraTarget.Down] }, // the paper's
        new LoraMethod { Rank = 4 }, new LoraMethod { Rank = 16 }, new LoraMethod { Rank = 64 }, new DoraMethod { Rank = 16 }, new Ia3Method(),
    ];

    private static MemoryRow Measured(string model, DecoderWeights weights, PeftMethod method, int tokens)
    {
        var recipe = new TrainingRecipe { AdapterName = "measured", DatasetPath = "", CheckpointFolder = "", OutputFolder = "", Method = method };
        using var measured = new MeasuredMemory(weights, recipe, tokens);
        return Row(
            model, method, tokens, new MemoryPlan(weights.Config, method, elementBytes: 4, tokens, Window),
            (Least(() => measured.Whole(allWeights: true)), Least(() => measured.Whole(allWeights: false)), Least(() => Sum(measured.Recomputed(Window)))));

        static long Sum((long Sequence, long Window) parts) => parts.Sequence + parts.Window;
    }

    // The whole process is measured, in which the runtime's compiler takes memory too: the least of a few looks has the least of that.
    private static long Least(Func<long> look) => Enumerable.Range(0, Looks).Min(_ => look());

    private static MemoryRow Row(string model, PeftMethod method, int tokens, MemoryPlan plan, (long Conventional, long Pruned, long Recomputed)? measured) => new(
        model, Name(method), tokens, plan.ConventionalBytes, plan.PrunedBytes, plan.RecomputedBytes, plan.Saved,
        measured?.Conventional, measured?.Pruned, measured?.Recomputed);

    private static string Name(PeftMethod method) => method switch
    {
        DoraMethod dora => $"DoRA r{dora.Rank}",
        LoraMethod lora => $"LoRA r{lora.Rank}{(lora.Targets.Count == 1 ? ", down" : string.Empty)}",
        _ => "(IA)³",
    };

    private static string Cell(long predicted, long? measured) => measured is { } bytes ? $"{Megabytes(predicted)} / {Megabytes(bytes)}" : Megabytes(predicted);

    private static string Megabytes(long bytes) => $"{bytes / 1e6:N1}";

    private static DecoderConfig Large(int hidden, int intermediate, int layers, int heads, int vocabulary) => new()
    {
        HiddenSize = hidden,
        IntermediateSize = intermediate,
        Layers = layers,
        Heads = heads,
        KeyValueHeads = 8,
        HeadSize = 128,
        VocabularySize = vocabulary,
        MaximumPositions = 131_072,
    };
}
