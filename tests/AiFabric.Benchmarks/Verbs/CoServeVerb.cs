using System.CommandLine;
using AiFabric.Benchmarks.CoServing;
using AiFabric.Benchmarks.Gpu;
using AiFabric.Benchmarks.Speed;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench coserve</c>: finetuning beside inference, in one engine and in the ways of those that have none such.</summary>
internal static class CoServeVerb
{
    public static Command Create()
    {
        var seconds = new Option<double>("--seconds") { Description = "Of each run.", DefaultValueFactory = _ => 60 };
        var rounds = new Option<int>("--rounds") { Description = "Runs of each system under each load, in turns; rows are their medians.", DefaultValueFactory = _ => 1 };
        rounds.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
                result.AddError("--rounds is at least 1");
        });
        var loads = Choice("--loads", "Shares of what inference alone sustains: 20, 50 and 90 %.", [.. CoServeLoad.All.Select(load => load.Name)]);
        var systems = Choice("--systems", "How inference and finetuning share the machine.", [.. CoServeSystem.All.Select(system => system.Name)]);
        var model = new Option<string>("--model") { Description = "random-100m or demo-5m; on a GPU random-1b or random-8b too.", DefaultValueFactory = _ => "random-100m" };
        model.AcceptOnlyFromAmong(["random-100m", "demo-5m", .. GpuShape.Measured.Select(shape => shape.Name)]);
        var format = new Option<string>("--format") { Description = "Format of the weights.", DefaultValueFactory = _ => "fp32" };
        format.AcceptOnlyFromAmong([.. SpeedFormat.All.Select(known => known.Name)]);
        var device = new Option<string>("--device") { Description = "cpu or cuda.", DefaultValueFactory = _ => "cpu" };
        device.AcceptOnlyFromAmong("cpu", "cuda");
        var threads = new Option<int>("--threads") { Description = "Threads of one engine that has the machine.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var multiple = new Option<double>("--tpot-multiple") { Description = "The TPOT objective, as a multiple of what a request gets alone.", DefaultValueFactory = _ => 4 };
        var ttft = new Option<double>("--ttft-ms") { Description = "The TTFT objective.", DefaultValueFactory = _ => 5000 };
        var firstRate = new Option<double>("--first-rate") { Description = "Requests per second with which the search for the capacity begins.", DefaultValueFactory = _ => 2 };
        var rate = new Option<double?>("--rate") { Description = "Requests per second that inference alone sustains, as found before. Needs --tpot-ms." };
        var tpot = new Option<double?>("--tpot-ms") { Description = "The TPOT objective, as found before. Needs --rate." };
        var noBurst = new Option<bool>("--no-burst") { Description = "Leaves the burst out." };
        var append = new Option<bool>("--append") { Description = "Keeps the rows of other systems and loads that the output has." };
        var output = new Option<FileInfo>("--output") { Description = "Where the figures go, as JSON.", DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "coserve.json")) };
        var plots = new Option<DirectoryInfo?>("--plots") { Description = "Where figures go, as SVG; none without it." };
        var trace = new Option<DirectoryInfo?>("--trace") { Description = "Folder for the figures of every iteration and request, as CSV; none without it." };
        var command = new Command("coserve", "Finetuning beside inference: co-serving, split, temporal and spatial sharing, on one engine and one machine.")
        {
            seconds, rounds, loads, systems, model, format, device, threads, multiple, ttft, firstRate, rate, tpot, noBurst, append, output, plots, trace,
        };
        command.SetAction((parsed, cancellationToken) =>
        {
            if (parsed.GetValue(rate) is null != parsed.GetValue(tpot) is null)
                throw new BenchException("--rate and --tpot-ms come from the same search: give both or none");
            var options = new CoServeOptions
            {
                Repository = Repository.Root(AppContext.BaseDirectory),
                Model = parsed.GetRequiredValue(model),
                Format = parsed.GetRequiredValue(format),
                Device = parsed.GetRequiredValue(device),
                Threads = parsed.GetRequiredValue(threads),
                Seconds = parsed.GetRequiredValue(seconds),
                Rounds = parsed.GetRequiredValue(rounds),
                TpotMultiple = parsed.GetRequiredValue(multiple),
                TtftMilliseconds = parsed.GetRequiredValue(ttft),
                FirstRate = parsed.GetRequiredValue(firstRate),
                Known = parsed.GetValue(rate) is { } known && parsed.GetValue(tpot) is { } objective ? (known, objective) : null,
                Loads = [.. CoServeLoad.All.Where(load => parsed.GetRequiredValue(loads).Contains(load.Name))],
                Systems = [.. CoServeSystem.All.Where(system => parsed.GetRequiredValue(systems).Contains(system.Name))],
                Burst = !parsed.GetValue(noBurst),
                TraceFolder = parsed.GetValue(trace)?.FullName,
            };
            return RunAsync(options, parsed.GetValue(append), parsed.GetRequiredValue(output), parsed.GetValue(plots), cancellationToken);
        });
        return command;
    }

    private static Option<string[]> Choice(string name, string description, string[] values)
    {
        var option = new Option<string[]>(name) { Description = description, DefaultValueFactory = _ => values, AllowMultipleArgumentsPerToken = true };
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    private static async Task<int> RunAsync(CoServeOptions options, bool append, FileInfo output, DirectoryInfo? plots, CancellationToken cancellationToken)
    {
        var former = append && output.Exists ? CoServeReport.Read(output.FullName) : null;
        output.Directory?.Create();
        void Save(CoServeReport report) => File.WriteAllText(output.FullName, report.ToJson());
        var report = await CoServeBench.RunAsync(options, former, Console.WriteLine, Save, cancellationToken);
        Save(report);
        Console.WriteLine();
        Console.WriteLine(report.Markdown());
        Console.WriteLine($"written: {output.FullName}");
        if (plots is not null)
            CoServeFigures.Draw(report, Path.Combine(output.DirectoryName ?? ".", "memory.json"), plots.FullName);
        return 0;
    }
}
