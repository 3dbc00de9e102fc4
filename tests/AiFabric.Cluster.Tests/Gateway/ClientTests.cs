using System.ClientModel;
using System.ClientModel.Primitives;
using System.Diagnostics;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>The clients that applications use, through the real gateway, to the real worker and the demo model.</summary>
[Collection(GatewayGroup.Name)]
public sealed class ClientTests(GatewayBench bench, RealWorker worker) : IClassFixture<RealWorker>, IClassFixture<ToolWorker>
{
    private static readonly ChatMessage[] Messages = [new UserChatMessage("The people of the United States")];

    [Fact]
    public async Task The_NuGet_client_streams_a_chat()
    {
        var pieces = new List<string>();
        ChatTokenUsage? usage = null;
        ChatFinishReason? finish = null;

        await foreach (StreamingChatCompletionUpdate update in Client().CompleteChatStreamingAsync(Messages, Short()))
        {
            pieces.AddRange(update.ContentUpdate.Select(p => p.Text).Where(t => t.Length > 0));
            usage = update.Usage ?? usage;
            finish = update.FinishReason ?? finish;
        }

        Assert.True(pieces.Count > 1, $"{pieces.Count} pieces");
        Assert.Equal(ChatFinishReason.Length, finish);
        Assert.Equal(16, usage!.OutputTokenCount); // the client asks for usage itself
        Assert.Equal((await Client().CompleteChatAsync(Messages, Short())).Value.Content[0].Text, string.Concat(pieces));
    }

    [Fact]
    public async Task The_NuGet_client_gets_a_whole_chat_with_its_usage()
    {
        ChatCompletion chat = await Client().CompleteChatAsync(Messages, Short());

        Assert.NotEmpty(chat.Content[0].Text);
        Assert.Equal("demo", chat.Model);
        Assert.Equal(16, chat.Usage.OutputTokenCount);
        Assert.Equal(chat.Usage.InputTokenCount + 16, chat.Usage.TotalTokenCount);
    }

    [Fact]
    public async Task The_npm_client_streams_a_chat_and_reads_an_error()
    {
        using JsonDocument said = JsonDocument.Parse(await NpmClientAsync("stream-chat.mjs"));

        JsonElement chat = said.RootElement;
        Assert.True(chat.GetProperty("pieces").GetInt32() > 1, chat.ToString());
        Assert.Equal("length", chat.GetProperty("finishReason").GetString());
        Assert.Equal(16, chat.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal((await Client().CompleteChatAsync(Messages, Short())).Value.Content[0].Text, chat.GetProperty("text").GetString());
        Assert.Equal("""{"name":"NotFoundError","status":404,"code":"model_not_found"}""", chat.GetProperty("error").GetRawText());
    }

    [Fact]
    public async Task The_NuGet_client_embeds_texts()
    {
        OpenAIEmbeddingCollection vectors = await Embeddings().GenerateEmbeddingsAsync(["The people of the United States", "The whale"]);

        Assert.Equal(2, vectors.Count);
        Assert.Equal("demo", vectors.Model);
        Assert.Equal(vectors.Usage.InputTokenCount, vectors.Usage.TotalTokenCount);
        Assert.All(vectors, vector => Assert.Equal(1, LengthOf(vector.ToFloats().Span), 3));
        OpenAIEmbedding alone = await Embeddings().GenerateEmbeddingAsync("The whale");
        Assert.Equal(vectors[1].ToFloats().ToArray(), alone.ToFloats().ToArray(), (a, b) => Math.Abs(a - b) < 1e-4);
    }

    [Fact]
    public async Task The_npm_client_embeds_texts_and_reads_an_error()
    {
        using JsonDocument said = JsonDocument.Parse(await NpmClientAsync("embed.mjs"));

        JsonElement answer = said.RootElement;
        float[][] own = answer.GetProperty("own").Deserialize<float[][]>()!, numbers = answer.GetProperty("numbers").Deserialize<float[][]>()!; // lists, both
        Assert.Equal(2, own.Length);
        Assert.All(own.Zip(numbers), pair => Assert.Equal(pair.First, pair.Second, (a, b) => Math.Abs(a - b) < 1e-4));
        Assert.All(own, vector => Assert.Equal(1, LengthOf(vector), 3));
        Assert.Equal(answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), answer.GetProperty("usage").GetProperty("total_tokens").GetInt32());
        Assert.Equal("""{"name":"BadRequestError","status":400,"code":"context_length_exceeded","param":"input[1]"}""", answer.GetProperty("error").GetRawText());
    }

    [Fact]
    public async Task The_npm_client_calls_a_tool_gives_back_its_result_and_gets_an_answer()
    {
        using JsonDocument said = JsonDocument.Parse(await NpmClientAsync("call-tool.mjs", ToolWorker.ServedName));

        JsonElement answer = said.RootElement, call = answer.GetProperty("call");
        Assert.Equal(("tool_calls", 1), (answer.GetProperty("finishReason").GetString(), answer.GetProperty("calls").GetInt32()));
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("content").ValueKind);
        Assert.Equal("weather", call.GetProperty("function").GetProperty("name").GetString());
        string arguments = call.GetProperty("function").GetProperty("arguments").GetString()!; // of any call
        Assert.Matches("^\\{\"place\": ?\"(Jena|Weimar)\", ?\"days\": ?[1-9]\\}$", arguments);
        Assert.NotEmpty(answer.GetProperty("answer").GetProperty("message").GetProperty("content").GetString()!);
        Assert.Equal("length", answer.GetProperty("answer").GetProperty("finish_reason").GetString());

        JsonElement streamed = answer.GetProperty("streamed");
        Assert.Equal("tool_calls", streamed.GetProperty("finish_reason").GetString());
        JsonElement again = Assert.Single(streamed.GetProperty("message").GetProperty("tool_calls").EnumerateArray());
        Assert.Equal((call.GetProperty("id").GetString(), arguments), (again.GetProperty("id").GetString(), again.GetProperty("function").GetProperty("arguments").GetString()));
        Assert.True(answer.GetProperty("pieces").GetInt32() > 1, answer.ToString());
        Assert.Equal(arguments, answer.GetProperty("joined").GetString());
        Assert.Equal("""{"name":"BadRequestError","status":400,"param":"messages[1].tool_call_id"}""", answer.GetProperty("error").GetRawText());
    }

    [Fact]
    public async Task The_NuGet_client_reads_a_streamed_call()
    {
        var options = new ChatCompletionOptions { ToolChoice = ChatToolChoice.CreateRequiredChoice(), AllowParallelToolCalls = false };
        options.Tools.Add(ChatTool.CreateFunctionTool("clock", "The time.", BinaryData.FromString("""{"type":"object","properties":{"utc":{"type":"boolean"}},"required":["utc"],"additionalProperties":false}"""), true));
        string id = "", name = "", arguments = "";
        ChatFinishReason? finish = null;

        await foreach (StreamingChatCompletionUpdate update in Client(ToolWorker.ServedName).CompleteChatStreamingAsync(Messages, options))
        {
            foreach (StreamingChatToolCallUpdate piece in update.ToolCallUpdates)
            {
                Assert.Equal(0, piece.Index);
                (id, name, arguments) = (id + piece.ToolCallId, name + piece.FunctionName, arguments + piece.FunctionArgumentsUpdate);
            }
            finish = update.FinishReason ?? finish;
        }

        Assert.Equal(("clock", ChatFinishReason.ToolCalls), (name, finish));
        Assert.Matches("^call_", id);
        Assert.True(JsonDocument.Parse(arguments).RootElement.TryGetProperty("utc", out _), arguments);
    }

    [Fact]
    public async Task Text_becomes_tokens_and_text_again()
    {
        using HttpResponseMessage tokenized = await bench.Http.PostAsync("/tokenize", Asking.Json("""{"model":"demo","prompt":"The whale","return_token_strs":true}"""));
        using JsonDocument answer = JsonDocument.Parse(await tokenized.Content.ReadAsStringAsync());
        JsonElement tokens = answer.RootElement.GetProperty("tokens");
        Assert.Equal((512, tokens.GetArrayLength()), (answer.RootElement.GetProperty("max_model_len").GetInt32(), answer.RootElement.GetProperty("count").GetInt32()));
        using HttpResponseMessage text = await bench.Http.PostAsync("/detokenize", Asking.Json($$"""{"model":"demo","tokens":{{tokens.GetRawText()}}}"""));
        Assert.Equal("""{"prompt":"The whale"}""", await text.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task An_unknown_model_is_404()
    {
        ClientResultException refused = await Assert.ThrowsAsync<ClientResultException>(
            () => Client("nobody").CompleteChatAsync(Messages, Short()));

        AssertRefused(refused, 404, "model_not_found", "model");
    }

    [Fact]
    public async Task A_prompt_longer_than_the_context_is_400()
    {
        string prompt = string.Concat(Enumerable.Repeat("The people of the United States. ", 200));

        ClientResultException refused = await Assert.ThrowsAsync<ClientResultException>(
            () => Client().CompleteChatAsync([new UserChatMessage(prompt)], Short()));

        AssertRefused(refused, 400, "context_length_exceeded", "messages");
    }

    [Fact]
    public async Task A_negative_max_tokens_is_400()
    {
        var body = BinaryContent.Create(BinaryData.FromString("""{"model":"demo","max_tokens":-1,"messages":[{"role":"user","content":"Hello"}]}"""));

        ClientResultException refused = await Assert.ThrowsAsync<ClientResultException>(() => Client().CompleteChatAsync(body));

        AssertRefused(refused, 400, "invalid_value", "max_tokens");
    }

    [Fact]
    public async Task A_client_that_leaves_ends_its_sequences_in_the_engine()
    {
        const string body = """{"model":"demo","stream":true,"n":16,"max_tokens":450,"ignore_eos":true,"messages":[{"role":"user","content":"Hello"}]}""";
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Asking.Json(body) };
        using HttpResponseMessage answer = await bench.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await Asking.ReadEventAsync(await answer.Content.ReadAsStreamAsync());

        answer.Dispose();

        using var http = new HttpClient { BaseAddress = worker.Url };
        string metrics = "";
        await GatewayBench.WaitAsync(
            async () =>
            {
                metrics = await http.GetStringAsync("/metrics");
                return Value(metrics, "vllm:num_requests_running", "") == "0"
                    && Value(metrics, "vllm:request_success_total", "finished_reason=\"abort\"") == "16";
            },
            () => $"16 aborted sequences and none that runs:\n{metrics}");
    }

    private static string? Value(string metrics, string name, string label) => metrics.Split('\n')
        .FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal) && line.Contains(label, StringComparison.Ordinal))?.Split(' ')[^1];

    private ChatClient Client(string model = "demo") => new(model, new ApiKeyCredential("unused"), new OpenAIClientOptions
    {
        Endpoint = new Uri(bench.Url, "v1"),
        RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
    });

    private EmbeddingClient Embeddings() => new("demo", new ApiKeyCredential("unused"), new OpenAIClientOptions
    {
        Endpoint = new Uri(bench.Url, "v1"),
        RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
    });

    private static double LengthOf(ReadOnlySpan<float> vector)
    {
        double squares = 0;
        foreach (float number in vector)
            squares += number * number;
        return Math.Sqrt(squares);
    }

    private static ChatCompletionOptions Short() => new() { MaxOutputTokenCount = 16, Temperature = 0 };

    private static void AssertRefused(ClientResultException refused, int status, string code, string param)
    {
        string body = refused.GetRawResponse()!.Content.ToString(); // an answer came, or there were no status
        Assert.True(refused.Status == status, $"{refused.Status}: {body}");
        JsonElement error = JsonDocument.Parse(body).RootElement.GetProperty("error");
        Assert.Equal((code, param), (error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
    }

    /// <summary>What a script of tests/npm prints about a model.</summary>
    private Task<string> NpmClientAsync(string script, string model = "demo")
    {
        string folder = Path.Combine(RealWorker.Root, "tests", "npm");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules", "openai")), "tests/npm/node_modules is missing: run 'npm ci' in tests/npm");
        string[] paths = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        Assert.SkipUnless(paths.Any(path => File.Exists(Path.Combine(path, "node"))), "node is not in PATH");
        return NodeAsync(Path.Combine(folder, script), $"{bench.Url}v1", model);
    }

    private static async Task<string> NodeAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("node") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        using Process node = Process.Start(start)!; // null only for shell documents
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await using CancellationTokenRegistration kill = deadline.Token.Register(() => node.Kill());
        Task<string> errors = node.StandardError.ReadToEndAsync();
        string output = await node.StandardOutput.ReadToEndAsync();
        await node.WaitForExitAsync();
        Assert.True(node.ExitCode == 0, $"node ended with {node.ExitCode}:\n{await errors}");
        return output;
    }
}
