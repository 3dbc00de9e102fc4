using System.CommandLine;
using AiFabric.Benchmarks.Scale;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench operator</c>: the operator on a real API server with thousands of models and jobs.</summary>
internal static class OperatorVerb
{
    public static Command Create()
    {
        var sizes = new Option<int[]>("--sizes")
        {
            Description = "Models and jobs, each; one run on a fresh control plane for each size.",
            DefaultValueFactory = _ => [500, 1000, 2000],
            AllowMultipleArgumentsPerToken = true,
        };
        var models = new Option<int?>("--models") { Description = "CoServedModels of a single run, in place of --sizes." };
        var jobs = new Option<int?>("--jobs") { Description = "FinetuneJobs of that run; as many as models when not given." };
        var steady = new Option<int>("--steady-seconds") { Description = "How long writes of the idle operator are counted.", DefaultValueFactory = _ => 60 };
        var limit = new Option<int>("--limit-seconds") { Description = "A size that takes longer to get ready is given up.", DefaultValueFactory = _ => 900 };
        var port = new Option<int>("--port") { Description = "Port of the API server; the three after it are used, too.", DefaultValueFactory = _ => 17_800 };
        var network = new Option<int>("--network") { Description = "Pods live in 127.N.0.0/16.", DefaultValueFactory = _ => 88 };
        var output = new Option<FileInfo>("--output")
        {
            Description = "Where the figures go, as JSON.",
            DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "operator.json")),
        };
        var command = new Command("operator", "Time to ready, latencies, requests, memory and CPU of the operator at a size.")
        {
            sizes, models, jobs, steady, limit, port, network, output,
        };
        command.SetAction((parsed, cancellationToken) =>
        {
            var options = new ScaleOptions
            {
                Repository = Repository.Root(AppContext.BaseDirectory),
                SteadyTime = TimeSpan.FromSeconds(parsed.GetRequiredValue(steady)),
                Limit = TimeSpan.FromSeconds(parsed.GetRequiredValue(limit)),
                Port = parsed.GetRequiredValue(port),
                Network = parsed.GetRequiredValue(network),
            };
            ScaleSize[] wanted = parsed.GetValue(models) is { } count
                ? [new ScaleSize(count, parsed.GetValue(jobs) ?? count)]
                : [.. parsed.GetRequiredValue(sizes).Select(size => new ScaleSize(size, size))];
            return RunAsync(options, wanted, parsed.GetRequiredValue(output), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ScaleOptions options, ScaleSize[] sizes, FileInfo output, CancellationToken cancellationToken)
    {
        ScaleReport report = await ScaleBench.RunAsync(options, sizes, Console.WriteLine, cancellationToken);
        output.Directory?.Create();
        await File.WriteAllTextAsync(output.FullName, report.ToJson(), cancellationToken);
        Console.WriteLine(ScaleTable.Markdown(report));
        Console.WriteLine($"written: {output.FullName}");
        foreach (string problem in report.Problems)
            await Console.Error.WriteLineAsync($"failed: {problem}");
        return report.Problems.Count == 0 ? 0 : 1;
    }
}
