using System.CommandLine;
using System.Text.Json;
using AiFabric.Benchmarks.Speed.Serving;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench peer</c>: what <c>bench engine</c> starts to see llama.cpp from its start on.</summary>
internal static class PeerVerb
{
    public static Command Create()
    {
        var model = new Argument<string>("gguf");
        Argument<int>[] numbers = [.. ((string[])["vocabulary", "threads", "prompt-tokens", "sequences"]).Select(name => new Argument<int>(name))];
        var command = new Command("peer", "llama.cpp's first token and memory in this process.") { Hidden = true };
        command.Add(model);
        foreach (var number in numbers)
            command.Add(number);
        command.SetAction(parsed =>
        {
            int[] values = [.. numbers.Select(parsed.GetRequiredValue)];
            Console.WriteLine(JsonSerializer.Serialize(PeerProcess.Measure(parsed.GetRequiredValue(model), values[0], values[1], values[2], values[3])));
        });
        return command;
    }
}
