using System.CommandLine;
using AiFabric.Benchmarks.Pipelines;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench pipeline</c>: a verification pipeline, streaming against barriers.</summary>
internal static class PipelineVerb
{
    public static Command Create()
    {
        var target = new Option<double>("--target-seconds") { Description = "The median that a load must meet.", DefaultValueFactory = _ => 4 };
        var step = new Option<double>("--step") { Description = "Requests per second between two loads.", DefaultValueFactory = _ => 0.25 };
        var most = new Option<double>("--most") { Description = "The last load, requests per second.", DefaultValueFactory = _ => 5.5 };
        var requests = new Option<int>("--requests") { Description = "Arrivals under each load.", DefaultValueFactory = _ => 2_000 };
        var seed = new Option<int>("--seed") { Description = "Of arrivals and claims.", DefaultValueFactory = _ => 1 };
        var output = new Option<FileInfo>("--output")
        {
            Description = "Where the figures go, as JSON.",
            DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "pipeline.json")),
        };
        var command = new Command("pipeline", "A verification pipeline on emulated servers: throughput at a latency target and tails, streaming against barriers.")
        {
            target, step, most, requests, seed, output,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            PipelineRow row = PipelineBench.Emulated(
                parsed.GetRequiredValue(target), parsed.GetRequiredValue(step), parsed.GetRequiredValue(most), parsed.GetRequiredValue(requests),
                parsed.GetRequiredValue(seed), Console.WriteLine);
            FileInfo file = parsed.GetRequiredValue(output);
            file.Directory?.Create();
            await File.WriteAllTextAsync(file.FullName, PipelineBench.Json([row]), cancellationToken);
            Console.WriteLine(PipelineBench.Markdown(row));
            Console.WriteLine($"written: {file.FullName}");
            return 0;
        });
        return command;
    }
}
