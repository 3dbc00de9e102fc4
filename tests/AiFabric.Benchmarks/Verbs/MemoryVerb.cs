using System.CommandLine;
using AiFabric.Benchmarks.Memory;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench memory</c>: activation memory of finetuning, predicted and measured.</summary>
internal static class MemoryVerb
{
    /// <summary>What a prediction may be off.</summary>
    private const double Tolerance = 0.05;

    public static Command Create()
    {
        var output = new Option<FileInfo>("--output")
        {
            Description = "Where the figures go, as JSON.",
            DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "memory.json")),
        };
        var command = new Command("memory", "Activation memory of finetuning by model, method and length: conventional autograd, pruned, recomputed.") { output };
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetRequiredValue(output), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(FileInfo output, CancellationToken cancellationToken)
    {
        List<MemoryRow> rows = MemoryBench.Run(Repository.Root(AppContext.BaseDirectory), Console.WriteLine);
        output.Directory?.Create();
        await File.WriteAllTextAsync(output.FullName, MemoryBench.Json(rows), cancellationToken);
        Console.WriteLine();
        Console.WriteLine(MemoryBench.Markdown(rows));
        Console.WriteLine($"written: {output.FullName}");
        return rows.Exists(row => row.Error > Tolerance) ? throw new BenchException($"a prediction is more than {Tolerance:P0} off what was measured") : 0;
    }
}
