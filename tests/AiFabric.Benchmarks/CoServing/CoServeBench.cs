using System.Globalization;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>Finetuning beside inference, in one engine and in the ways of those that have none such.</summary>
internal static class CoServeBench
{
    /// <param name="options">What is measured.</param>
    /// <param name="former">Whose rows stay where no new ones come.</param>
    /// <param name="say">Told of each row.</param>
    /// <param name="save">Given what there is so far after each row: half an hour's figures are not lost with the last of them.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<CoServeReport> RunAsync(
        CoServeOptions options, CoServeReport? former, Action<string> say, Action<CoServeReport> save, CancellationToken cancellationToken)
    {
        var machine = Machine.MachineInfo.Read();
        var capacity = await CapacityAsync(options, say, cancellationToken);
        say(string.Create(CultureInfo.InvariantCulture,
            $"alone: {capacity.UnloadedTpotMs:0.0} ms a token, first after {capacity.UnloadedTtftMs:0} ms; objective {capacity.TpotObjectiveMs:0.0} ms; sustained: {capacity.RequestsPerSecond:0.00} requests/s"));
        var rows = former?.Rows.ToList() ?? [];
        foreach (var load in options.Loads)
        {
            var runs = options.Systems.ToDictionary(system => system.Name, _ => new List<CoServeRow>());
            // Systems take turns, so that a slow minute of the machine is not one system's.
            for (int round = 0; round < options.Rounds; round++)
            {
                foreach (var system in options.Systems)
                {
                    var run = await RunAsync(options, system, load, capacity, options.Rounds == 1 ? "" : $"-{round + 1}", cancellationToken);
                    say(CoServeReport.Line(run));
                    runs[system.Name].Add(run);
                    rows.RemoveAll(old => old.Load == run.Load && old.System == run.System);
                    rows.Add(CoServeRow.Median(runs[system.Name]));
                    save(Report(former?.Burst));
                }
            }
        }
        return Report(options.Burst ? await BurstAsync(options, capacity, say, cancellationToken) : former?.Burst);

        CoServeReport Report(BurstFigures? burst) => new()
        {
            Machine = machine,
            Options = CoServeReport.Describe(options),
            Capacity = capacity,
            TtftObjectiveMs = options.TtftMilliseconds,
            Rows = Ordered(rows),
            Burst = burst,
        };
    }

    private static async Task<Capacity> CapacityAsync(CoServeOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        if (options.Known is { } known)
            return new Capacity(known.Tpot / options.TpotMultiple, 0, known.Tpot, known.Rate);
        say("what inference alone sustains:");
        using var process = new EngineProcess(Plan(options) with { Infers = true }, percent: null);
        await process.ReadyAsync(cancellationToken);
        await process.GoAsync();
        return await process.ResultAsync<Capacity>(cancellationToken);
    }

    private static async Task<CoServeRow> RunAsync(
        CoServeOptions options, CoServeSystem system, CoServeLoad load, Capacity capacity, string suffix, CancellationToken cancellationToken)
    {
        var plan = Plan(options) with
        {
            TpotMilliseconds = capacity.TpotObjectiveMs,
            Rate = capacity.RequestsPerSecond,
            Load = load.Share,
            TemporalIterations = system.TemporalIterations,
            IsDynamic = system.IsDynamic,
        };
        int? others = 100 - system.FinetunePercent;
        List<(EnginePlan Plan, int? Percent)> engines = [];
        if (system.Infers)
            engines.Add((plan with { Infers = true, Finetunes = system.IsShared, Threads = options.ThreadsOf(others) }, others));
        if (system.Finetunes && !system.IsShared)
            engines.Add((plan with { Finetunes = true, Threads = options.ThreadsOf(system.FinetunePercent) }, system.FinetunePercent));
        var figures = await RunAsync(engines, cancellationToken);
        var row = CoServeRow.Of(
            load.Name, system.Name, figures.Sum(engine => engine.FinetuneTokensPerSecond), [.. figures.SelectMany(engine => engine.Requests)],
            capacity, options.TtftMilliseconds);
        var decoding = figures[0].Iterations.Where(iteration => iteration.DecodeRows > 0).ToList();
        Trace(options, load.Name, system.Name + suffix, figures[0]);
        return row with
        {
            SharedIterations = figures[0].SharedIterations,
            IterationMs = decoding.Select(iteration => iteration.Milliseconds).DefaultIfEmpty(0).Average(),
            ExpectedIterationMs = decoding.Select(iteration => iteration.ExpectedMs).DefaultIfEmpty(0).Average(),
        };
    }

    private static async Task<BurstFigures> BurstAsync(CoServeOptions options, Capacity capacity, Action<string> say, CancellationToken cancellationToken)
    {
        var plan = Plan(options) with
        {
            TpotMilliseconds = capacity.TpotObjectiveMs,
            Rate = capacity.RequestsPerSecond,
            Load = 0.1,
            Burst = true,
            Seconds = Math.Max(options.Seconds, 15) * 2,
            Infers = true,
            Finetunes = true,
        };
        var figures = (await RunAsync([(plan, null)], cancellationToken))[0];
        Trace(options, "burst", CoServeSystem.CoServing, figures);
        var burst = BurstFigures.Of(plan, figures, capacity, options.TtftMilliseconds);
        say(burst.ToString());
        return burst;
    }

    private static async Task<EngineFigures[]> RunAsync(List<(EnginePlan Plan, int? Percent)> engines, CancellationToken cancellationToken)
    {
        var processes = new List<EngineProcess>();
        try
        {
            foreach (var (plan, percent) in engines)
                processes.Add(new EngineProcess(plan, percent));
            foreach (var process in processes)
                await process.ReadyAsync(cancellationToken);
            foreach (var process in processes)
                await process.GoAsync();
            return await Task.WhenAll(processes.Select(process => process.ResultAsync<EngineFigures>(cancellationToken)));
        }
        finally
        {
            processes.ForEach(process => process.Dispose());
        }
    }

    private static void Trace(CoServeOptions options, string load, string system, EngineFigures figures)
    {
        if (options.TraceFolder is not { } folder)
            return;
        Directory.CreateDirectory(folder);
        File.WriteAllLines(Path.Combine(folder, $"{load}-{system}.csv"), [IterationFigures.Header, .. figures.Iterations.Select(iteration => iteration.ToString())]);
        File.WriteAllLines(
            Path.Combine(folder, $"{load}-{system}-requests.csv"),
            ["at,ttftMs,tpotMs,endAt", .. figures.Requests.Select(request => FormattableString.Invariant($"{request.At:0.000},{request.TtftMs:0.0},{request.TpotMs:0.0},{request.EndAt:0.000}"))]);
    }

    private static EnginePlan Plan(CoServeOptions options) => new()
    {
        Repository = options.Repository,
        Model = options.Model,
        Format = options.Format,
        Device = options.Device,
        Threads = options.Threads,
        TtftMilliseconds = options.TtftMilliseconds,
        TpotMultiple = options.TpotMultiple,
        Seconds = options.Seconds,
        FirstRate = options.FirstRate,
        Seed = options.Seed,
    };

    private static List<CoServeRow> Ordered(List<CoServeRow> rows)
    {
        List<string> loads = [.. CoServeLoad.All.Select(load => load.Name)], systems = [.. CoServeSystem.All.Select(system => system.Name)];
        return
        [
            .. rows.OrderBy(row => loads.IndexOf(row.Load)).ThenBy(row => systems.IndexOf(row.System)).Select(row => row with
            {
                Retained = rows.Find(light => light.Load == loads[0] && light.System == row.System) is { FinetuneTokensPerSecond: > 0 } light
                    ? row.FinetuneTokensPerSecond / light.FinetuneTokensPerSecond : null,
            }),
        ];
    }
}
