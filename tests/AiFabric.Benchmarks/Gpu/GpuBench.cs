using AiFabric.Benchmarks.Machine;
using AiFabric.Benchmarks.Speed;
using AiFabric.Benchmarks.Speed.Serving;
using AiFabric.Engine.Interop;
using TorchSharp;

namespace AiFabric.Benchmarks.Gpu;

/// <summary>The engine on a device: correctness, start, prefill and decoding beside the roofline and, where it is installed, transformers.</summary>
internal static class GpuBench
{
    private static readonly SpeedFormat Format = SpeedFormat.All.Single(format => format.Name == "bf16");

    /// <exception cref="BenchException">The device is missing, or a part failed.</exception>
    public static async Task<GpuReport> RunAsync(GpuOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        TorchRuntime.EnsureLoaded();
        if (options.Device == "cuda" && !TorchRuntime.HasCuda)
            throw new BenchException($"there is no CUDA device, or {TorchRuntime.DirectoryVariable} names no libtorch with CUDA; see docs/benchmarks/gpu.md");
        var device = torch.device(options.Device);
        var correctness = new List<Correctness>();
        foreach (var small in GpuShape.Compared)
            correctness.AddRange(await Correctness.MeasureAsync(small.Files(options.Repository, "cpu"), small, options.Device));
        foreach (var measured in correctness)
            say($"{measured.Shape} in {measured.Type} against float32 on the CPU: {measured.LargestDifference:G3}, {measured.SameTokens:P0} of the tokens the same");
        var roofline = Roofline.Measure(device, options.ReadBytes, options.MatrixSide);
        say($"memory {roofline.ReadBytesPerSecond / 1e9:0} GB/s, products {roofline.OperationsPerSecond / 1e12:0.0} TFLOP/s");
        var peer = await TransformersSide.FindAsync(options, cancellationToken);
        string? absent = peer.Absent;
        if (absent is not null)
            say($"nothing beside ours: {absent}");
        var (rows, starts) = (new List<GpuRow>(), new List<GpuStart>());
        foreach (var shape in options.Shapes)
        {
            var model = shape.Files(options.Repository, options.Device);
            using (var worker = WorkerProcess.StartBuilt(options.Repository, model, options.Device))
                starts.Add(new GpuStart(shape.Name, worker.WaitUntilReady().TotalSeconds));
            say($"{shape.Name}: the worker is ready after {starts[^1].Seconds:0.0} s");
            var cells = await OursAsync(options, shape, model, cancellationToken);
            IReadOnlyDictionary<string, double> others = new Dictionary<string, double>();
            try
            {
                others = absent is null ? await peer.MeasureAsync(model, cancellationToken) : others;
            }
            catch (BenchException e) // Our figures count without.
            {
                say(absent = $"transformers failed: {e.Message}");
            }
            foreach (var (work, ours, bound) in cells)
            {
                rows.Add(new GpuRow($"{shape.Name} {work}", ours, others.TryGetValue(work, out double theirs) ? theirs : null, bound(roofline)));
                say($"{rows[^1].Cell}: {ours:0} tok/s, {rows[^1].Share:P0} of the roofline");
            }
        }
        return new GpuReport(MachineInfo.Read(), options.Device, options.IsDryRun, options.Rounds, correctness, roofline, absent, starts, rows);
    }

    private static async Task<List<(string Work, double Ours, Func<Roofline, double> Bound)>> OursAsync(
        GpuOptions options, GpuShape shape, ModelFiles model, CancellationToken cancellationToken)
    {
        await using var side = new OwnSide(model, Format, options.Speed);
        var cells = new List<(string, double, Func<Roofline, double>)>();
        foreach (int length in options.Prompts)
        {
            double rate = await MedianAsync(options, round => side.PrefillAsync(Prompts.Random(-round, length, shape.Config.VocabularySize)), cancellationToken);
            cells.Add(($"prefill {length}", rate, roofline => length * roofline.OperationsPerSecond / shape.PrefillOperations(length)));
        }
        foreach (int batch in options.Batches)
        {
            int[][] prompts = [.. Enumerable.Range(1, batch).Select(seed => Prompts.Random(seed, options.ContextTokens, shape.Config.VocabularySize))];
            double rate = await MedianAsync(options, _ => side.DecodeAsync(prompts, options.DecodeSteps), cancellationToken);
            cells.Add(($"decode {batch}", rate, roofline => batch / StepSeconds(options, shape, batch, roofline)));
        }
        return cells;
    }

    // A step reads the weights once and every sequence's cache, and computes each token: whichever takes longer.
    private static double StepSeconds(GpuOptions options, GpuShape shape, int batch, Roofline roofline) => Math.Max(
        (shape.WeightBytes + (batch * shape.CacheBytesPerToken * (options.ContextTokens + (options.DecodeSteps / 2)))) / roofline.ReadBytesPerSecond,
        batch * shape.OperationsPerToken / roofline.OperationsPerSecond);

    private static async Task<double> MedianAsync(GpuOptions options, Func<int, Task<double>> measure, CancellationToken cancellationToken)
    {
        double[] rates = new double[options.Rounds];
        for (int round = -1; round < options.Rounds; round++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            double rate = await measure(round + 2);
            if (round >= 0) // The first one warms up.
                rates[round] = rate;
        }
        return Rates.Median(rates);
    }
}
