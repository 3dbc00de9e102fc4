using System.CommandLine;
using System.Text;
using AiFabric.Cli.Gateway;
using AiFabric.Protocol.OpenAI;
using Spectre.Console;

namespace AiFabric.Cli.Verbs;

/// <summary><c>aifabric chat MODEL [PROMPT]</c>: streams one answer, or a conversation line by line.</summary>
internal static class ChatVerb
{
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model, or model:adapter." };
        var prompt = new Argument<string[]>("prompt") { Description = "What to say. Without it, lines are read from standard input.", Arity = ArgumentArity.ZeroOrMore };
        Option<string> gateway = SharedOptions.Gateway();
        var maxTokens = new Option<int>("--max-tokens") { Description = "Tokens of an answer at most.", DefaultValueFactory = _ => 128 };
        var temperature = new Option<double>("--temperature") { Description = "0 is greedy.", DefaultValueFactory = _ => 0.7 };
        var seed = new Option<long?>("--seed") { Description = "Fixes the draw." };
        var command = new Command("chat", "Streams a chat from the gateway.") { model, prompt, gateway, maxTokens, temperature, seed };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
            var client = new ChatClient(http, SharedOptions.GatewayAddress(parsed.GetRequiredValue(gateway)));
            var conversation = new List<ChatMessage>();
            foreach (string line in parsed.GetValue(prompt) is { Length: > 0 } words ? [string.Join(' ', words)] : Lines())
            {
                conversation.Add(ChatClient.User(line));
                var answer = new StringBuilder();
                await foreach (string piece in client.StreamAsync(
                    parsed.GetRequiredValue(model), conversation, parsed.GetValue(maxTokens), parsed.GetValue(temperature), parsed.GetValue(seed), cancellationToken))
                {
                    AnsiConsole.Write(new Text(piece));
                    answer.Append(piece);
                }

                AnsiConsole.WriteLine();
                conversation.Add(ChatClient.Message("assistant", answer.ToString()));
            }

            return 0;
        });
        return command;
    }

    private static IEnumerable<string> Lines()
    {
        while (Console.In.ReadLine() is { } line)
        {
            if (line.Length > 0)
                yield return line;
        }
    }
}
