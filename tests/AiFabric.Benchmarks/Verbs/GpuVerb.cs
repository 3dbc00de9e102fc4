using System.CommandLine;
using AiFabric.Benchmarks.Gpu;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench gpu</c>: the engine on a CUDA device.</summary>
internal static class GpuVerb
{
    public static Command Create()
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "All of it with tiny shapes on the CPU, to show that it runs." };
        var rounds = new Option<int>("--rounds") { Description = "Measurements of each cell.", DefaultValueFactory = _ => 5 };
        var shapes = new Option<string[]>("--shapes") { Description = "1b, 8b or both.", DefaultValueFactory = _ => ["1b", "8b"], AllowMultipleArgumentsPerToken = true };
        shapes.AcceptOnlyFromAmong("1b", "8b");
        var python = new Option<string>("--python") { Description = "Python with torch and transformers, for the side beside ours.", DefaultValueFactory = _ => "python3" };
        var output = new Option<FileInfo>("--output")
        {
            Description = "Where the figures go, as JSON.",
            DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "gpu.json")),
        };
        var command = new Command("gpu", "Correctness, start, prefill and decoding on a CUDA device, beside the roofline and transformers.") { dryRun, rounds, shapes, python, output };
        command.SetAction((parsed, cancellationToken) =>
        {
            string root = Repository.Root(AppContext.BaseDirectory);
            var options = parsed.GetValue(dryRun)
                ? GpuOptions.DryRun(root)
                : new GpuOptions
                {
                    Repository = root,
                    Device = "cuda",
                    IsDryRun = false,
                    Rounds = parsed.GetRequiredValue(rounds),
                    Shapes = [.. parsed.GetRequiredValue(shapes).Distinct().Select(name => name == "1b" ? GpuShape.OneBillion : GpuShape.EightBillion)],
                };
            return RunAsync(options with { Python = parsed.GetRequiredValue(python) }, parsed.GetRequiredValue(output), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(GpuOptions options, FileInfo output, CancellationToken cancellationToken)
    {
        GpuReport report = await GpuBench.RunAsync(options, Console.WriteLine, cancellationToken);
        output.Directory?.Create();
        await File.WriteAllTextAsync(output.FullName, report.ToJson(), cancellationToken);
        Console.WriteLine();
        Console.WriteLine(report.Markdown());
        Console.WriteLine($"written: {output.FullName}");
        return report.IsCorrect ? 0 : 1;
    }
}
