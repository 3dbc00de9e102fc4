using System.CommandLine;
using AiFabric.Benchmarks.Pipelines;
using AiFabric.Benchmarks.Pipelines.Workers;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench pipeline</c>: a verification pipeline, streaming against barriers.</summary>
internal static class PipelineVerb
{
    public static Command Create()
    {
        var cases = new Option<string[]>("--cases")
        {
            Description = "emulated: servers in virtual time. workers: the local fabric, about three minutes.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => ["emulated", "workers"],
        };
        cases.AcceptOnlyFromAmong("emulated", "workers");
        var target = new Option<double>("--target-seconds") { Description = "Emulated: the median that a load must meet.", DefaultValueFactory = _ => 4 };
        var step = new Option<double>("--step") { Description = "Emulated: requests per second between two loads.", DefaultValueFactory = _ => 0.5 };
        var most = new Option<double>("--most") { Description = "Emulated: the last load, requests per second.", DefaultValueFactory = _ => 20 };
        var requests = new Option<int>("--requests") { Description = "Emulated: arrivals under each load.", DefaultValueFactory = _ => 600 };
        var loads = new Option<double[]>("--loads") { Description = "Workers: requests per second.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1, 3, 6, 8] };
        var seconds = new Option<double>("--seconds") { Description = "Workers: arrivals under each load.", DefaultValueFactory = _ => 15 };
        var seed = new Option<int>("--seed") { Description = "Of arrivals, answers and prompts.", DefaultValueFactory = _ => 1 };
        var output = new Option<FileInfo>("--output")
        {
            Description = "Where the figures go, as JSON.",
            DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "pipeline.json")),
        };
        var command = new Command("pipeline", "A verification pipeline, emulated and on workers: throughput at a latency target and tails, streaming against barriers.")
        {
            cases, target, step, most, requests, loads, seconds, seed, output,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string[] asked = parsed.GetRequiredValue(cases);
            var rows = new List<PipelineRow>();
            if (asked.Contains("emulated"))
            {
                rows.AddRange(EmulatedSetting.All.Select(setting => PipelineBench.Emulated(
                    setting, parsed.GetRequiredValue(target), parsed.GetRequiredValue(step), parsed.GetRequiredValue(most), parsed.GetRequiredValue(requests),
                    parsed.GetRequiredValue(seed), Console.WriteLine)));
            }
            if (asked.Contains("workers"))
            {
                var options = new WorkersOptions(parsed.GetRequiredValue(loads), parsed.GetRequiredValue(seconds), Workers: 2, TargetFactor: 1.5, parsed.GetRequiredValue(seed));
                rows.Add(await WorkersBench.RunAsync(Repository.Root(AppContext.BaseDirectory), options, Console.WriteLine, cancellationToken));
            }
            FileInfo file = parsed.GetRequiredValue(output);
            file.Directory?.Create();
            await File.WriteAllTextAsync(file.FullName, PipelineReport.Json(rows), cancellationToken);
            foreach (PipelineRow row in rows)
                Console.WriteLine(PipelineReport.Markdown(row));
            Console.WriteLine($"written: {file.FullName}");
            return 0;
        });
        return command;
    }
}
