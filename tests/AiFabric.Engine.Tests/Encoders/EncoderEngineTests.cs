using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tests.Worker;
using AiFabric.Engine.Weights;
using AiFabric.Protocol;
using AiFabric.Tests.Tokenization;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Hosting;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Encoders;

/// <summary>An encoder in the engine and behind the worker's endpoints.</summary>
public sealed class EncoderEngineTests : IDisposable
{
    private readonly TinyEncoder model = new();

    public void Dispose() => model.Dispose();

    private static int[] Text(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(256))];
    }

    [Fact]
    public async Task Texts_that_share_an_iteration_get_the_vectors_that_they_get_alone()
    {
        long tensors = LiveTensors.Settled();
        await using (var engine = model.Start())
        {
            int[][] texts = [.. Enumerable.Range(0, 30).Select(i => Text(1 + (i * 17 % 40), i))];
            var alone = new List<float[]>();
            foreach (int[] text in texts)
                alone.Add(await ReadAsync(engine.Embed(new EmbeddingRequest { Tokens = text })));
            long iterations = engine.Metrics.Iterations.Value;
            Assert.Equal(30, iterations);

            Embedding[] together = [.. texts.Select(text => engine.Embed(new EmbeddingRequest { Tokens = text }))];
            for (int i = 0; i < texts.Length; i++)
                Assert.Equal(alone[i], await ReadAsync(together[i]), (a, b) => Math.Abs(a - b) < 1e-5);

            Assert.Equal(30 * 30, alone.SelectMany(a => alone, (a, b) => ReferenceEquals(a, b) == (Distance(a, b) < 1e-4)).Count(same => same));
            Assert.Equal((0, 0, 64), (engine.CurrentLoad.Running, engine.CurrentLoad.Queued, engine.CurrentLoad.FreeBlocks));
        }
        Assert.Equal(tensors, Tensor.TotalCount);
    }

    [Fact]
    public async Task Bad_inputs_are_refused_by_name()
    {
        await using var engine = model.Start();
        foreach (var (request, code, param) in ((EmbeddingRequest, string, string)[])[
            (new EmbeddingRequest { Tokens = [] }, RejectionCodes.InvalidRequest, "input"),
            (new EmbeddingRequest { Tokens = [259] }, RejectionCodes.InvalidRequest, "input"),
            (new EmbeddingRequest { Tokens = Text(41, 1) }, RejectionCodes.ContextLengthExceeded, "input"),
            (new EmbeddingRequest { Tokens = [1], Adapter = "a" }, RejectionCodes.AdapterNotFound, "model")])
        {
            var refused = Assert.Throws<EngineRejectedException>(() => engine.Embed(request));
            Assert.Equal((code, param), (refused.Code, refused.Param));
        }
    }

    [Fact]
    public async Task An_engine_that_stops_ends_what_waits()
    {
        var engine = model.Start();
        Embedding[] all = [.. Enumerable.Range(0, 40).Select(i => engine.Embed(new EmbeddingRequest { Tokens = Text(30, i) }))];
        await engine.DisposeAsync();
        foreach (var embedding in all)
        {
            // Those of the last iteration may have ended well.
            if (await Record.ExceptionAsync(() => ReadAsync(embedding)) is { } cause)
                Assert.Equal(RejectionCodes.EngineStopped, Assert.IsType<EngineRejectedException>(cause).Code);
        }
        Assert.Equal(RejectionCodes.EngineStopped, Assert.Throws<EngineRejectedException>(() => engine.Embed(new EmbeddingRequest { Tokens = [1] })).Code);
    }

    [Fact]
    public async Task A_vector_that_is_no_numbers_is_a_failure_and_no_worker_is_ready_that_gives_such()
    {
        using var damaged = new TinyEncoder(isDamaged: true);
        await using (var engine = damaged.Start())
        {
            var failed = await Assert.ThrowsAsync<EngineRejectedException>(() => ReadAsync(engine.Embed(new EmbeddingRequest { Tokens = [1, 2, 3] })));
            Assert.Equal(RejectionCodes.EngineFailed, failed.Code);
            Assert.Contains("not made of finite numbers", failed.Message, StringComparison.Ordinal);
        }
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, RunningWorker.Options with { Model = "file://" + damaged.Path }, waitUntilLoaded: false);
        var refused = await Assert.ThrowsAsync<ModelException>(() => worker.Host.Loaded);
        Assert.Contains("not made of finite numbers", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"model_type\": \"universal-sentence-encoder-lite\"", "\"model_type\": \"xlnet\"", "model_type")]
    [InlineData("\"relu\"", "\"gelu\"", "hidden_act")]
    [InlineData("\"hidden_size\": 16", "\"hidden_size\": 0", "hidden_size")]
    [InlineData("\"hidden_size\": 16", "\"hidden_size\": 15", "multiple of num_attention_heads")]
    [InlineData("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", "layers.3")]
    [InlineData("\"intermediate_size\": 24", "\"intermediate_size\": 25", "feed_forward.up")]
    [InlineData("\"vocab_size\": 259", "\"vocab_size\": 99999999", "vocab_size")]
    [InlineData("\"layer_norm_eps\": 1E-06", "\"layer_norm_eps\": -1", "layer_norm_eps")]
    public void A_folder_that_cannot_be_used_says_why(string found, string instead, string cause)
    {
        long tensors = LiveTensors.Settled();
        string config = TinyEncoder.Config.ToJson();
        Assert.Contains(found, config, StringComparison.Ordinal);
        model.Write("config.json", config.Replace(found, instead, StringComparison.Ordinal));
        Assert.Contains(cause, Assert.Throws<CheckpointException>(() => model.Start()).Message, StringComparison.Ordinal);
        Assert.Equal(tensors, Tensor.TotalCount);
    }

    [Fact]
    public async Task Added_tokens_beyond_the_model_are_left_out_and_a_larger_vocabulary_is_refused()
    {
        TinyTokenizer.Write(model.Path, TinyTokenizer.ChatTemplate, "<image>");
        await using (var engine = model.Start())
            Assert.Equal(TinyTokenizer.Size, engine.Tokenizer.VocabularySize);
        long tensors = LiveTensors.Settled();
        string tokenizer = await File.ReadAllTextAsync(Path.Combine(model.Path, "tokenizer.json"));
        model.Write("tokenizer.json", tokenizer.Replace("\"a\":97", "\"a\":300", StringComparison.Ordinal));

        var refused = Assert.Throws<CheckpointException>(() => model.Start());

        Assert.Contains("the vocabulary has 301 tokens, but the model only 259", refused.Message, StringComparison.Ordinal);
        Assert.Equal(tensors, Tensor.TotalCount);
    }

    [Fact]
    public void What_encoders_do_not_have_is_refused() =>
        Assert.Throws<ValidationException>(() => model.Start(o => o with { Quantization = Quantization.Q8 }));

    [Fact]
    public async Task A_worker_serves_it_and_refuses_what_it_cannot_do()
    {
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, RunningWorker.Options with { Model = "file://" + model.Path });
        Assert.Equal(WorkerPhase.Ready, worker.Host.State.Phase);
        Assert.Equal("ready\n", await worker.Serving.GetStringAsync("/ready"));
        var models = await worker.Serving.GetFromJsonAsync("/v1/models", OpenAIJson.Default.ModelList);
        Assert.Equal(("demo", 40), (models!.Data.Single().Id, models.Data[0].MaxModelLen)); // The text is no null.

        var answer = (await worker.PostJsonAsync("/v1/embeddings", new { model = "demo", input = new[] { "Hi", "Hello" } })).Deserialize(OpenAIJson.Default.EmbeddingList)!; // Likewise.
        Assert.Equal([16, 16], answer.Data.Select(item => item.Embedding.Values.Length));
        Assert.All(answer.Data, item => Assert.Equal(1, item.Embedding.Values.Sum(x => (double)x * x), 5));
        Assert.Equal(7, answer.Usage.TotalTokens);
        Assert.True(await worker.MetricAsync("vllm:prompt_tokens_total") >= 7);

        foreach (var (path, body) in ((string, string)[])[
            ("/v1/chat/completions", """{"model":"demo","messages":[{"role":"user","content":"Hi"}]}"""),
            ("/v1/completions", """{"model":"demo","prompt":"Hi"}""")])
        {
            using var refused = await worker.Serving.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Contains("makes embeddings", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        using var adapter = await worker.Control.PutAsync("/control/adapters/a", new StringContent("{\"uri\":\"file://" + model.Path + "\"}", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.BadRequest, adapter.StatusCode);
        using var training = await worker.Control.PutAsync(
            "/control/training/u", new StringContent("""{"job":"j","dataset":{"uri":"file:///d"},"checkpointUri":"file:///c","outputUri":"file:///o"}""", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.Conflict, training.StatusCode);
        Assert.Equal(answer.Model, (await worker.Control.GetFromJsonAsync("/control/load", ControlJson.Default.LoadReport))!.Model);
    }

    private static async Task<float[]> ReadAsync(Embedding embedding)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        return await embedding.ReadAsync(deadline.Token);
    }

    private static double Distance(float[] a, float[] b) => a.Zip(b).Max(pair => Math.Abs(pair.First - pair.Second));
}
