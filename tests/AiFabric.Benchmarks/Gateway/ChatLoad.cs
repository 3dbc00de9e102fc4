using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using AiFabric.Gateway.Streaming;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>What chats look like.</summary>
/// <param name="Systems">System prompts that chats share, chosen by chance; 0 gives each chat one of its own.</param>
/// <param name="SystemWords">Their length.</param>
/// <param name="Turns">Questions of a chat, each asked when the one before is answered.</param>
/// <param name="TurnWords">Their length.</param>
/// <param name="AnswerTokens">Length of answers.</param>
internal sealed record ChatShape(int Systems, int SystemWords, int Turns, int TurnWords, int AnswerTokens);

/// <summary>One answered question.</summary>
/// <param name="FirstToken">Seconds until its first token.</param>
/// <param name="PromptTokens">Tokens of its prompt.</param>
/// <param name="CachedTokens">Those of them that were in the worker's cache.</param>
internal sealed record ChatAnswer(double FirstToken, int PromptTokens, int CachedTokens);

/// <summary>What a load came to.</summary>
/// <param name="Answers">Questions that were answered.</param>
/// <param name="Failed">Questions that were not.</param>
/// <param name="Seconds">From the first question to the last answer.</param>
/// <param name="Tokens">Generated.</param>
internal sealed record ChatFigures(IReadOnlyList<ChatAnswer> Answers, int Failed, double Seconds, int Tokens)
{
    public double HitRate => (double)Answers.Sum(answer => answer.CachedTokens) / Answers.Sum(answer => answer.PromptTokens);

    public double MeanFirstToken => Answers.Average(answer => answer.FirstToken);
}

/// <summary>Chats that begin at random times, whatever the answers take. The same seed gives the same chats at the same times.</summary>
internal sealed class ChatLoad(Uri gateway, ChatShape shape) : IDisposable
{
    private static readonly string[] Words =
        "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more if out so up said what its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many off before must well back through years much where your way down should because long each just state those people too mr how little good world make very year still see own work men day get here between both under last never part might great used new house life".Split(' ');

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { Timeout = TimeSpan.FromMinutes(2) };

    public void Dispose() => _http.Dispose();

    /// <summary>Runs the load.</summary>
    /// <param name="chats">Chats that begin.</param>
    /// <param name="perSecond">How many begin in a second, in the mean.</param>
    /// <param name="systemSeed">Of the system prompts.</param>
    /// <param name="seed">Of all else.</param>
    /// <param name="scatter">Sends each question to a worker by chance.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<ChatFigures> RunAsync(int chats, double perSecond, int systemSeed, int seed, bool scatter, CancellationToken cancellationToken)
    {
        Random random = new(seed), systemRandom = new(systemSeed);
        string[] systems = [.. Enumerable.Range(0, shape.Systems).Select(_ => Text(systemRandom, shape.SystemWords))];
        var running = new List<Task<List<ChatAnswer?>>>();
        long start = Stopwatch.GetTimestamp();
        double due = 0;
        for (int chat = 0; chat < chats; chat++)
        {
            string system = systems.Length > 0 ? systems[random.Next(systems.Length)] : Text(random, shape.SystemWords);
            string[] questions = [.. Enumerable.Range(0, shape.Turns).Select(_ => Text(random, shape.TurnWords))];
            due -= Math.Log(1 - random.NextDouble()) / perSecond;
            TimeSpan wait = TimeSpan.FromSeconds(due) - Stopwatch.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, cancellationToken);
            running.Add(ChatAsync(system, questions, scatter, cancellationToken));
        }
        List<ChatAnswer?> all = [.. (await Task.WhenAll(running)).SelectMany(answers => answers)];
        List<ChatAnswer> answered = [.. all.OfType<ChatAnswer>()];
        return new ChatFigures(answered, all.Count - answered.Count, Stopwatch.GetElapsedTime(start).TotalSeconds, answered.Count * shape.AnswerTokens);
    }

    private static string Text(Random random, int words) => string.Join(' ', Enumerable.Range(0, words).Select(_ => Words[random.Next(Words.Length)]));

    private async Task<List<ChatAnswer?>> ChatAsync(string system, string[] questions, bool scatter, CancellationToken cancellationToken)
    {
        var messages = new List<object> { new { role = "system", content = system } };
        var answers = new List<ChatAnswer?>();
        foreach (string question in questions)
        {
            messages.Add(new { role = "user", content = question });
            (ChatAnswer? answer, string text) = await AskAsync(messages, scatter, cancellationToken);
            answers.Add(answer);
            messages.Add(new { role = "assistant", content = text });
        }
        return answers;
    }

    private async Task<(ChatAnswer? Answer, string Text)> AskAsync(List<object> messages, bool scatter, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v1/chat/completions"))
        {
            Content = JsonContent.Create(new
            {
                model = GatewayFabric.Model,
                messages,
                max_tokens = shape.AnswerTokens,
                temperature = 0,
                ignore_eos = true,
                stream = true,
                stream_options = new { include_usage = true },
            }),
        };
        if (scatter)
            request.Headers.Add(CompletionForwarder.SessionHeader, Guid.NewGuid().ToString());
        long start = Stopwatch.GetTimestamp();
        using HttpResponseMessage answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!answer.IsSuccessStatusCode)
            return (null, "");
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(cancellationToken));
        double first = 0;
        int prompt = 0, cached = 0;
        string text = "";
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (!line.StartsWith("data: {", StringComparison.Ordinal))
                continue;
            JsonElement chunk = JsonDocument.Parse(line.AsMemory(6)).RootElement;
            string piece = chunk.GetProperty("choices") is { } choices && choices.GetArrayLength() > 0 && choices[0].GetProperty("delta").TryGetProperty("content", out JsonElement content)
                ? content.GetString() ?? "" : "";
            if (piece.Length > 0 && first == 0)
                first = Stopwatch.GetElapsedTime(start).TotalSeconds;
            text += piece;
            if (chunk.TryGetProperty("usage", out JsonElement usage) && usage.ValueKind == JsonValueKind.Object)
            {
                prompt = usage.GetProperty("prompt_tokens").GetInt32();
                cached = usage.TryGetProperty("prompt_tokens_details", out JsonElement details) ? details.GetProperty("cached_tokens").GetInt32() : 0;
            }
        }
        return (prompt > 0 ? new ChatAnswer(first, prompt, cached) : null, text);
    }
}
