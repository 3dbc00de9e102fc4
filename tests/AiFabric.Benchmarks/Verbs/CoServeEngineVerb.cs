using System.CommandLine;
using System.Text.Json;
using AiFabric.Benchmarks.CoServing;

namespace AiFabric.Benchmarks.Verbs;

/// <summary>One engine, which <c>bench coserve</c> starts in processes of their own.</summary>
internal static class CoServeEngineVerb
{
    public const string Name = "coserve-engine";

    public static Command Create()
    {
        var plan = new Argument<string>("plan");
        var command = new Command(Name, "One engine of a comparison.") { plan };
        command.Hidden = true;
        command.SetAction((parsed, _) => RunAsync(
            JsonSerializer.Deserialize<EnginePlan>(parsed.GetRequiredValue(plan)) ?? throw new BenchException("the plan is empty")));
        return command;
    }

    private static async Task<int> RunAsync(EnginePlan plan)
    {
        if (plan.TpotMilliseconds is null)
        {
            await BeginAsync();
            Answer(await new CapacitySearch(plan, Console.Error.WriteLine).RunAsync());
            return 0;
        }
        await using var run = new EngineRun(plan);
        await run.WarmAsync();
        await BeginAsync();
        Answer(await run.MeasureAsync());
        return 0;
    }

    private static async Task BeginAsync()
    {
        Console.WriteLine(EngineRun.Ready);
        await Console.In.ReadLineAsync();
    }

    private static void Answer<T>(T figures) => Console.WriteLine(JsonSerializer.Serialize(figures));
}
