using System.CommandLine;
using AiFabric.Benchmarks.Gpu;
using AiFabric.Benchmarks.Speed;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench engine</c>: the engine beside llama.cpp.</summary>
internal static class EngineVerb
{
    private static readonly Dictionary<string, Func<string, ModelFiles>> Models = new()
    {
        ["random-100m"] = ModelFiles.Random,
        ["demo-5m"] = ModelFiles.Demo,
        ["random-1b"] = repository => GpuShape.OneBillion.Files(repository, "cpu"),
    };

    /// <summary>The last is for those who ask for it: its files take 12 GB in all formats.</summary>
    private static readonly string[] UsualModels = ["random-100m", "demo-5m"];

    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "Measurements of each cell on each side.", DefaultValueFactory = _ => 5 };
        var threads = new Option<int>("--threads") { Description = "Threads of either side.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var models = Choice("--models", "What is measured.", [.. Models.Keys], UsualModels);
        var formats = Choice("--formats", "Formats of weights.", [.. SpeedFormat.All.Select(format => format.Name)]);
        var parts = Choice("--parts", "Groups of cells: a process's start, prefill and decoding, decoding over HTTP with memory.", [.. SpeedParts.All]);
        var batches = new Option<int[]>("--batches")
        {
            Description = "Sequences that decode together, 64 at most.",
            DefaultValueFactory = _ => [1, 4, 16, 64],
            AllowMultipleArgumentsPerToken = true,
        };
        var output = new Option<FileInfo>("--output")
        {
            Description = "Where the figures go, as JSON.",
            DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "engine.json")),
        };
        var append = new Option<bool>("--append") { Description = "Keep what the output holds of other cells, to measure in parts; of one machine and as many rounds." };
        var command = new Command("engine", "Prefill, decoding, start and memory beside llama.cpp, on the same files, prompts and threads.")
        {
            rounds, threads, models, formats, batches, parts, output, append,
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
            return RunAsync(options, parsed.GetRequiredValue(models), parsed.GetRequiredValue(output), parsed.GetValue(append), cancellationToken);
        });
        return command;
    }

    private static Option<string[]> Choice(string name, string description, string[] values, string[]? usual = null)
    {
        var option = new Option<string[]>(name) { Description = description, DefaultValueFactory = _ => usual ?? values, AllowMultipleArgumentsPerToken = true };
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    private static async Task<int> RunAsync(SpeedOptions options, string[] models, FileInfo output, bool append, CancellationToken cancellationToken)
    {
        ModelFiles[] files = [.. models.Select(name => Models[name](options.Repository))];
        SpeedReport report = await SpeedBench.RunAsync(options, files, Console.WriteLine, cancellationToken);
        output.Directory?.Create();
        if (append && output.Exists)
            report = report.Added(await File.ReadAllTextAsync(output.FullName, cancellationToken));
        await File.WriteAllTextAsync(output.FullName, report.ToJson(), cancellationToken);
        Console.WriteLine();
        Console.WriteLine(report.Markdown());
        Console.WriteLine($"written: {output.FullName}");
        return 0;
    }
}
