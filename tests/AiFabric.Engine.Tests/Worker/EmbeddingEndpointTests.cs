using System.Net;
using System.Text;
using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Tests.Tokenization;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class EmbeddingEndpointTests
{
    private const string Path = "/v1/embeddings";

    private static async Task<EmbeddingList> EmbedAsync(RunningWorker worker, object body) =>
        (await worker.PostJsonAsync(Path, body)).Deserialize(OpenAIJson.Default.EmbeddingList)!; // The text is no null.

    [Fact]
    public async Task Inputs_of_all_four_kinds_are_embedded_in_their_order()
    {
        var backend = new ScriptedBackend();
        await using var worker = await RunningWorker.StartAsync(backend);
        foreach (var (input, expected) in ((object, int[][])[])[
            ("Hi", [[72, 105]]),
            (new[] { "Hi", "!" }, [[72, 105], [33]]),
            (new[] { 5, 6, 258 }, [[5, 6, 258]]),
            (new[] { new[] { 7 }, [8, 9] }, [[7], [8, 9]])])
        {
            backend.Embedded.Clear();
            var answer = await EmbedAsync(worker, new { model = "demo", input, normalize = false });
            Assert.Equal(expected, backend.Embedded.Select(request => request.Tokens.ToArray()));
            Assert.Equal(expected.Select(tokens => new float[] { tokens.Length, tokens[0], 1 }), answer.Data.Select(item => item.Embedding.Values));
            Assert.Equal(Enumerable.Range(0, expected.Length), answer.Data.Select(item => item.Index));
            Assert.Equal(("list", "embedding", "demo"), (answer.Object, answer.Data[0].Object, answer.Model));
            int tokens = expected.Sum(ids => ids.Length);
            Assert.Equal(new EmbeddingUsage { PromptTokens = tokens, TotalTokens = tokens }, answer.Usage);
        }
    }

    [Fact]
    public async Task Vectors_have_length_one_and_come_as_base64_where_asked()
    {
        await using var worker = await RunningWorker.StartAsync(new ScriptedBackend());
        var numbers = await EmbedAsync(worker, new { model = "demo", input = new[] { 2, 3 }, user = "u" });
        var base64 = await EmbedAsync(worker, new { model = "demo", input = new[] { 2, 3 }, encoding_format = "base64", dimensions = 3 });
        float length = MathF.Sqrt(4 + 4 + 1);
        Assert.Equal([2 / length, 2 / length, 1 / length], numbers.Data[0].Embedding.Values);
        Assert.Equal((false, true), (numbers.Data[0].Embedding.Base64, base64.Data[0].Embedding.Base64));
        Assert.Equal(numbers.Data[0].Embedding.Values, base64.Data[0].Embedding.Values);
    }

    [Theory]
    [InlineData("\"input\":[]", "input", "1 to 2048")]
    [InlineData("\"input\":\"\"", "input", "empty")]
    [InlineData("\"input\":[\"a\",\"\"]", "input[1]", "empty")]
    [InlineData("\"input\":[[1],[]]", "input[1]", "empty")]
    [InlineData("\"input\":[\"a\",7]", "input[1]", "a number")]
    [InlineData("\"input\":[1,\"a\"]", "input[1]", "token id")]
    [InlineData("\"input\":[[1],[2,-3]]", "input[1][1]", "-3")]
    [InlineData("\"input\":[259]", "input[0]", "259")]
    [InlineData("\"input\":{}", "input", "a string or a list")]
    [InlineData("\"input\":null", "input", "missing")]
    [InlineData("\"input\":\"a\",\"encoding_format\":\"int8\"", "encoding_format", "base64")]
    [InlineData("\"input\":\"a\",\"dimensions\":2", "dimensions", "3 numbers")]
    [InlineData("\"input\":\"a\",\"truncate_prompt_tokens\":2", "truncate_prompt_tokens", "not supported")]
    [InlineData("\"input\":\"a\",\"normalize\":1", "normalize", "a boolean")]
    public async Task A_field_that_cannot_be_is_named(string fields, string param, string cause)
    {
        var backend = new ScriptedBackend();
        await using var worker = await RunningWorker.StartAsync(backend);
        var error = await RefusedAsync(worker, "{\"model\":\"demo\"," + fields + "}", HttpStatusCode.BadRequest);
        Assert.Equal(param, error.GetProperty("param").GetString());
        Assert.Contains(cause, error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Empty(backend.Embedded);
    }

    [Fact]
    public async Task An_input_over_the_context_is_named_by_its_index()
    {
        await using var worker = await RunningWorker.StartAsync(new ScriptedBackend());
        string body = JsonSerializer.Serialize(new { model = "demo", input = new[] { "a", new string('b', 201) } });
        var error = await RefusedAsync(worker, body, HttpStatusCode.BadRequest);
        Assert.Equal(("input[1]", "context_length_exceeded"), (error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
        await EmbedAsync(worker, new { model = "demo", input = new string('b', 200) });
    }

    [Fact]
    public async Task More_inputs_than_the_queue_holds_take_turns()
    {
        var backend = new ScriptedBackend { MaxEmbeddings = 3 };
        await using var worker = await RunningWorker.StartAsync(backend);
        var answer = await EmbedAsync(worker, new { model = "demo", input = Enumerable.Range(1, 150).Select(i => new[] { i }), normalize = false });
        Assert.Equal(Enumerable.Range(1, 150).Select(i => (float)i), answer.Data.Select(item => item.Embedding.Values[1]));
        Assert.Equal(150, backend.EmbeddingsEnded);
    }

    [Fact]
    public async Task A_queue_that_others_fill_is_429()
    {
        await using var worker = await RunningWorker.StartAsync(new ScriptedBackend { MaxEmbeddings = 0 });
        await RefusedAsync(worker, """{"model":"demo","input":"a"}""", HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task A_client_that_leaves_cancels_its_inputs()
    {
        var backend = new ScriptedBackend { HoldEmbeddings = true };
        await using var worker = await RunningWorker.StartAsync(backend);
        using var leave = new CancellationTokenSource();
        var asked = worker.Serving.PostAsync(Path, new StringContent("""{"model":"demo","input":["a","b"]}""", Encoding.UTF8, "application/json"), leave.Token);
        await RunningWorker.EventuallyAsync(() => Task.FromResult(backend.Embedded.Count == 2), "both inputs run");
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        await RunningWorker.EventuallyAsync(() => Task.FromResult(backend.EmbeddingsEnded == 2), "both inputs ended");
    }

    [Fact]
    public async Task A_model_of_embeddings_only_refuses_to_write()
    {
        await using var worker = await RunningWorker.StartAsync(new ScriptedBackend { Generates = false });
        foreach (var (path, body) in ((string, string)[])[
            ("/v1/chat/completions", """{"model":"demo","messages":[{"role":"user","content":"Hi"}]}"""),
            ("/v1/completions", """{"model":"demo","prompt":"Hi"}""")])
        {
            var error = await RefusedAsync(worker, body, HttpStatusCode.BadRequest, path);
            Assert.Contains("makes embeddings", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        }
        using var list = JsonDocument.Parse(await worker.Serving.GetStringAsync("/v1/models"));
        Assert.Equal("demo", list.RootElement.GetProperty("data")[0].GetProperty("id").GetString());
        await EmbedAsync(worker, new { model = "demo", input = "Hi" });
    }

    [Fact]
    public async Task A_decoder_embeds_as_its_engine_does_and_its_adapters_otherwise()
    {
        using var model = new TinyServedModel();
        await using var worker = await model.ServeAsync(o => o with { MaxQueuedRequests = 2 });
        using var folder = new TemporaryFolder();
        EngineServingTests.SaveAdapter(folder.File("poet"), model.Config);
        using (var put = await worker.Control.PutAsync("/control/adapters/poet", new StringContent("{\"uri\":\"file://" + folder.File("poet") + "\"}", Encoding.UTF8, "application/json")))
            Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        string[] texts = [.. Enumerable.Range(1, 20).Select(i => string.Concat(Enumerable.Repeat("whale ", i)))];

        var together = await EmbedAsync(worker, new { model = "demo", input = texts });
        var alone = await EmbedAsync(worker, new { model = "demo", input = texts[^1] });
        var poet = await EmbedAsync(worker, new { model = "demo:poet", input = texts[^1] });

        Assert.Equal(model.Config.HiddenSize, alone.Data[0].Embedding.Values.Length);
        Assert.Equal(1, alone.Data[0].Embedding.Values.Sum(x => (double)x * x), 5);
        Assert.Equal(120, alone.Usage.PromptTokens);
        Assert.InRange(Cosine(together.Data[^1], alone.Data[0]), 0.99999, 1.00001);
        Assert.InRange(Cosine(poet.Data[0], alone.Data[0]), -1, 0.999);
        Assert.Equal("demo:poet", poet.Model);
    }

    [Fact]
    public async Task Tokens_are_given_and_taken_back()
    {
        await using var worker = await RunningWorker.StartAsync(new ScriptedBackend());
        var prompt = await worker.PostJsonAsync("/tokenize", new { model = "demo", prompt = "Hi", return_token_strs = true });
        Assert.Equal("""{"count":2,"max_model_len":200,"tokens":[72,105],"token_strs":["H","i"]}""", prompt.GetRawText());
        var chat = await worker.PostJsonAsync("/tokenize", new { messages = new[] { new { role = "user", content = "Hi" } } });
        int[] tokens = [.. chat.GetProperty("tokens").EnumerateArray().Select(t => t.GetInt32())];
        Assert.Equal([TinyTokenizer.Turn, .. "user: Hi"u8.ToArray().Select(b => (int)b), TinyTokenizer.End, TinyTokenizer.Turn, .. "assistant: "u8.ToArray().Select(b => (int)b)], tokens);
        Assert.False(chat.TryGetProperty("token_strs", out _));
        var closed = await worker.PostJsonAsync("/tokenize", new { messages = new[] { new { role = "user", content = "Hi" } }, add_generation_prompt = false, add_special_tokens = true });
        Assert.Equal([TinyTokenizer.Begin, TinyTokenizer.Turn, .. "user: Hi"u8.ToArray().Select(b => (int)b), TinyTokenizer.End], closed.GetProperty("tokens").EnumerateArray().Select(t => t.GetInt32()));
        var text = await worker.PostJsonAsync("/detokenize", new { model = "demo", tokens = new[] { 72, 105, 33 } });
        Assert.Equal("""{"prompt":"Hi!"}""", text.GetRawText());
    }

    [Theory]
    [InlineData("/tokenize", """{"model":"demo"}""", "prompt", 400)]
    [InlineData("/tokenize", """{"model":"demo","prompt":"a","messages":[{"role":"user","content":"b"}]}""", "prompt", 400)]
    [InlineData("/tokenize", """{"model":"demo","prompt":"a","add_generation_prompt":true}""", "add_generation_prompt", 400)]
    [InlineData("/tokenize", """{"model":"demo","prompt":"a","chat_template_kwargs":{}}""", "chat_template_kwargs", 400)]
    [InlineData("/tokenize", """{"model":"other","prompt":"a"}""", "model", 404)]
    [InlineData("/tokenize", """{"model":"demo","prompt":"a","tools":[]}""", "", 200)]
    [InlineData("/tokenize", """{"model":"demo","prompt":"a","chat_template":"x"}""", "chat_template", 400)]
    [InlineData("/detokenize", """{"model":"demo"}""", "tokens", 400)]
    [InlineData("/detokenize", """{"model":"demo","tokens":[300]}""", "tokens[0]", 400)]
    [InlineData("/detokenize", """{"model":"demo","tokens":"a"}""", "tokens", 400)]
    [InlineData("/detokenize", """{"model":"demo","tokens":[]}""", "", 200)]
    public async Task Token_requests_that_cannot_be_are_refused_by_field(string path, string body, string param, int status)
    {
        await using var worker = await RunningWorker.StartAsync(new ScriptedBackend());
        if (status != 200)
            Assert.Equal(param, (await RefusedAsync(worker, body, (HttpStatusCode)status, path)).GetProperty("param").GetString());
        else
            Assert.True((await worker.Serving.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"))).IsSuccessStatusCode);
    }

    private static double Cosine(EmbeddingItem a, EmbeddingItem b) => a.Embedding.Values.Zip(b.Embedding.Values).Sum(pair => (double)pair.First * pair.Second);

    private static async Task<JsonElement> RefusedAsync(RunningWorker worker, string body, HttpStatusCode status, string path = Path)
    {
        using var response = await worker.Serving.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));
        string answer = await response.Content.ReadAsStringAsync();
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode}: {answer}");
        return JsonDocument.Parse(answer).RootElement.GetProperty("error");
    }
}
