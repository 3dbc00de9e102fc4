using System.CommandLine;
using AiFabric.Benchmarks.Speed;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench engine</c>: the engine beside llama.cpp.</summary>
internal static class EngineVerb
{
    private static readonly string[] Models = ["random-100m", "demo-5m"];

    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "Measurements of each cell on each side.", DefaultValueFactory = _ => 5 };
        var threads = new Option<int>("--threads") { Description = "Threads of either side.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var models = new Option<string[]>("--models") { Description = "What is measured.", DefaultValueFactory = _ => Models, AllowMultipleArgumentsPerToken = true };
        models.AcceptOnlyFromAmong(Models);
        var batches = new Option<int[]>("--batches")
        {
            Description = "Sequences that decode together, 64 at most.",
            DefaultValueFactory = _ => [1, 4, 16, 64],
            AllowMultipleArgumentsPerToken = true,
        };
        var formats = new Option<string[]>("--formats")
        {
            Description = "Formats of weights.",
            DefaultValueFactory = _ => [.. SpeedFormat.All.Select(format => format.Name)],
            AllowMultipleArgumentsPerToken = true,
        };
        formats.AcceptOnlyFromAmong([.. SpeedFormat.All.Select(format => format.Name)]);
        var parts = new Option<string[]>("--parts")
        {
            Description = "Groups of cells: the start of a process, prefill and decoding, decoding over HTTP with memory.",
            DefaultValueFactory = _ => [.. SpeedParts.All],
            AllowMultipleArgumentsPerToken = true,
        };
        parts.AcceptOnlyFromAmong([.. SpeedParts.All]);
        var output = new Option<FileInfo>("--output")
        {
            Description = "Where the figures go, as JSON.",
            DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "engine.json")),
        };
        var command = new Command("engine", "Prefill, decoding, start and memory beside llama.cpp, on the same files, prompts and threads.")
        {
            rounds, threads, models, formats, batches, parts, output,
        };
        command.SetAction((parsed, cancellationToken) =>
        {
            var options = new SpeedOptions
            {
                Repository = Repository.Root(AppContext.BaseDirectory),
                Threads = parsed.GetRequiredValue(threads),
                Rounds = parsed.GetRequiredValue(rounds),
                Batches = parsed.GetRequiredValue(batches),
                Formats = [.. SpeedFormat.All.Where(format => parsed.GetRequiredValue(formats).Contains(format.Name))],
                Parts = parsed.GetRequiredValue(parts),
            };
            return RunAsync(options, parsed.GetRequiredValue(models), parsed.GetRequiredValue(output), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(SpeedOptions options, string[] models, FileInfo output, CancellationToken cancellationToken)
    {
        ModelFiles[] files = [.. models.Select(name => name == Models[0] ? ModelFiles.Random(options.Repository) : ModelFiles.Demo(options.Repository))];
        SpeedReport report = await SpeedBench.RunAsync(options, files, Console.WriteLine, cancellationToken);
        output.Directory?.Create();
        await File.WriteAllTextAsync(output.FullName, report.ToJson(), cancellationToken);
        Console.WriteLine();
        Console.WriteLine(report.Markdown());
        Console.WriteLine($"written: {output.FullName}");
        return 0;
    }
}
