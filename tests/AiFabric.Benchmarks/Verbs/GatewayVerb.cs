using System.CommandLine;
using AiFabric.Benchmarks.Gateway;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench gateway</c>: routing policies on real workers, and what the gateway costs beside nginx.</summary>
internal static class GatewayVerb
{
    public static Command Create()
    {
        var part = new Option<string>("--part") { Description = "routing, overhead or all.", DefaultValueFactory = _ => "all" };
        part.AcceptOnlyFromAmong("routing", "overhead", "all");
        var rounds = new Option<int>("--rounds") { Description = "Runs of each policy, and of each proxy.", DefaultValueFactory = _ => 3 };
        var chats = new Option<int>("--chats") { Description = "Chats of a run.", DefaultValueFactory = _ => 80 };
        var rate = new Option<double>("--rate") { Description = "Chats that begin in a second, in the mean.", DefaultValueFactory = _ => 6 };
        var seed = new Option<int>("--seed") { Description = "Of chats and their times.", DefaultValueFactory = _ => 1 };
        var output = new Option<FileInfo>("--output") { Description = "Where the figures go, as JSON.", DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "bench", "gateway.json")) };
        var command = new Command("gateway", "Routing policies on four workers, and the gateway's cost beside nginx (root).") { part, rounds, chats, rate, seed, output };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string repository = Repository.Root(AppContext.BaseDirectory), only = parsed.GetRequiredValue(part);
            var rows = new List<GatewayRow>();
            if (only != "routing")
                rows.AddRange(await OverheadBench.RunAsync(repository, parsed.GetRequiredValue(rounds), Console.WriteLine, cancellationToken));
            if (only != "overhead")
            {
                rows.AddRange(await RoutingBench.RunAsync(
                    repository, parsed.GetRequiredValue(rounds), parsed.GetRequiredValue(chats), parsed.GetRequiredValue(rate), parsed.GetRequiredValue(seed), Console.WriteLine, cancellationToken));
            }
            FileInfo file = parsed.GetRequiredValue(output);
            file.Directory?.Create();
            await File.WriteAllTextAsync(file.FullName, GatewayRow.Json(rows), cancellationToken);
            Console.WriteLine(GatewayRow.Markdown(rows));
            Console.WriteLine($"written: {file.FullName}");
            return 0;
        });
        return command;
    }

    /// <summary>The fake of a worker, which the bench starts itself.</summary>
    public static Command CreateFake()
    {
        var port = new Argument<int>("port");
        var command = new Command("gateway-fake", "A fake of a worker that sends events at a pace.") { port };
        command.Hidden = true;
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await FakeModelServer.RunAsync(parsed.GetRequiredValue(port), cancellationToken);
            return 0;
        });
        return command;
    }

    /// <summary>YARP alone, which the bench starts itself.</summary>
    public static Command CreateBare()
    {
        var port = new Argument<int>("port");
        var upstream = new Argument<int>("upstream");
        var command = new Command("gateway-bare", "A reverse proxy that does nothing else.") { port, upstream };
        command.Hidden = true;
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await BareProxy.RunAsync(parsed.GetRequiredValue(port), parsed.GetRequiredValue(upstream), cancellationToken);
            return 0;
        });
        return command;
    }
}
