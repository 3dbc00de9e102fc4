using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Weights;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Tests.Tokenization;
using AiFabric.Worker.Backend;
using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Hosting;
using AiFabric.Worker.Storage;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class EngineServingTests : IDisposable
{
    private const string Chat = "/v1/chat/completions";

    private readonly TinyServedModel model = new();

    public void Dispose() => model.Dispose();

    private static object Body(string name = "demo", bool stream = false, int maxTokens = 24, bool ignoreEos = true, long seed = 7) => new
    {
        model = name,
        messages = new[] { new { role = "user", content = "Hello" } },
        seed,
        max_tokens = maxTokens,
        stream,
        ignore_eos = ignoreEos,
    };

    private static string ContentOf(JsonElement chat) => chat.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!; // Always there.

    [Fact]
    public async Task A_stream_says_what_the_whole_answer_says()
    {
        await using var worker = await model.ServeAsync();
        var whole = await worker.PostJsonAsync(Chat, Body());
        string streamed = RunningWorker.TextOf(await worker.StreamAsync(Chat, Body(stream: true)));
        Assert.Equal(ContentOf(whole), streamed);
        Assert.Equal(24, whole.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal("length", whole.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.NotEqual(streamed, ContentOf(await worker.PostJsonAsync(Chat, Body(seed: 8))));
    }

    [Theory]
    [InlineData(65)] // config.json
    [InlineData(66)] // generation_config.json
    [InlineData(TinyTokenizer.End)]
    public async Task Every_end_that_the_folder_names_ends_an_answer(int end)
    {
        await File.WriteAllTextAsync(Path.Combine(model.Path, "config.json"), (model.Config with { EndOfSequenceIds = [65] }).ToJson("float32"));
        await File.WriteAllTextAsync(Path.Combine(model.Path, "generation_config.json"), """{"eos_token_id":[66,1000]}"""); // The model has no 1000.
        await using var worker = await model.ServeAsync();
        var body = new { model = "demo", prompt = "Hi", max_tokens = 3, logit_bias = new Dictionary<string, int> { [$"{end}"] = 100 } };

        var choice = (await worker.PostJsonAsync("/v1/completions", body)).GetProperty("choices")[0];

        Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task Rows_of_the_model_that_are_no_token_are_never_drawn()
    {
        // As padded vocabularies are: the weights have 60 rows more than the tokenizer has tokens.
        using var padded = new TinyServedModel(moreMarks: [.. Enumerable.Range(0, 60).Select(i => $"<unused {i}>")]);
        TinyTokenizer.Write(padded.Path);
        await using var worker = await padded.ServeAsync();

        var answer = await worker.PostJsonAsync("/v1/completions", new { model = "demo", prompt = "Hello", max_tokens = 200, ignore_eos = true, seed = 7, logprobs = 5 });

        Assert.Equal(200, answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task An_added_token_that_the_model_has_no_row_for_is_text_even_in_its_template()
    {
        TinyTokenizer.Write(model.Path, "<image>" + TinyTokenizer.ChatTemplate, "<image>");
        await using var worker = await model.ServeAsync();
        int marked = PromptOf(await worker.PostJsonAsync(Chat, Body(maxTokens: 2)));
        TinyTokenizer.Write(model.Path);
        await using var plain = await model.ServeAsync();

        Assert.Equal("<image>".Length + PromptOf(await plain.PostJsonAsync(Chat, Body(maxTokens: 2))), marked);

        static int PromptOf(JsonElement answer) => answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
    }

    [Fact]
    public async Task Usage_and_metrics_say_how_much_of_a_prompt_was_cached()
    {
        await using var worker = await model.ServeAsync();
        var first = await worker.PostJsonAsync(Chat, Body(maxTokens: 2));
        double hits = await worker.MetricAsync("vllm:prefix_cache_hits_total");
        var again = await worker.PostJsonAsync(Chat, Body(maxTokens: 2));
        var events = await worker.StreamAsync(Chat, new { model = "demo", messages = new[] { new { role = "user", content = "Hello" } }, max_tokens = 2, stream = true, stream_options = new { include_usage = true } });
        var text = new { model = "demo", prompt = new string('x', 40), max_tokens = 1 };
        await worker.PostJsonAsync("/v1/completions", text);

        int prompt = again.GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
        int cached = prompt / 16 * 16; // Whole blocks.
        Assert.Equal((0, cached), (CachedOf(first), CachedOf(again)));
        Assert.Equal(cached, CachedOf(JsonDocument.Parse(events[^2]).RootElement));
        Assert.Equal(32, CachedOf(await worker.PostJsonAsync("/v1/completions", text)));
        Assert.Equal(hits + cached + cached + 32, await worker.MetricAsync("vllm:prefix_cache_hits_total"));

        static int CachedOf(JsonElement answer) => answer.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
    }

    [Fact]
    public async Task A_client_that_leaves_frees_the_engine()
    {
        await using var worker = await model.ServeAsync();
        using (var request = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = JsonContent.Create(Body(stream: true, maxTokens: 200)) })
        using (var response = await worker.Serving.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
            Assert.True(response.IsSuccessStatusCode);
        await RunningWorker.EventuallyAsync(async () => await worker.MetricAsync("vllm:num_requests_running") == 0, "no request runs");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task An_answer_that_a_stop_string_ends_is_not_counted_as_aborted(int choices)
    {
        await using var worker = await model.ServeAsync();
        // More than the engine computes ahead of a reader: however late that is, the answer does not reach its length.
        var body = new { model = "demo", prompt = "Hi", n = choices, max_tokens = Sequence.MostUnread + 32, stop = "AAA", ignore_eos = true, logit_bias = new Dictionary<string, int> { ["65"] = 100 } };
        var answer = await worker.PostJsonAsync("/v1/completions", body);
        Assert.Equal("stop", answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        await RunningWorker.EventuallyAsync(
            async () => await worker.MetricAsync("vllm:request_success_total{finished_reason=\"stop\"") == choices, "all have ended, by their stop string");
    }

    [Fact]
    public async Task Metrics_have_the_names_that_dashboards_ask_for()
    {
        await using var worker = await model.ServeAsync();
        await worker.PostJsonAsync(Chat, Body());
        string text = await worker.Serving.GetStringAsync("/metrics");
        foreach (string name in (string[])[
            "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "vllm:prompt_tokens_total",
            "vllm:generation_tokens_total", "vllm:num_preemptions_total", "vllm:spec_decode_num_drafts_total",
            "vllm:spec_decode_num_draft_tokens_total", "vllm:spec_decode_num_accepted_tokens_total", "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total",
            "vllm:request_success_total{finished_reason=\"stop\"", "vllm:time_to_first_token_seconds_bucket", "vllm:time_per_output_token_seconds_bucket",
            "vllm:inter_token_latency_seconds_bucket", "vllm:e2e_request_latency_seconds_bucket", "aifabric_engine_iterations_total",
            "aifabric_engine_coserved_iterations_total", "aifabric_engine_finetune_tokens_total{phase=\"forward\"", "aifabric_engine_finetune_tokens_total{phase=\"backward\""])
        {
            Assert.Contains("\n" + name, text, StringComparison.Ordinal);
        }
        Assert.True(await worker.MetricAsync("vllm:generation_tokens_total") >= 24);
        Assert.True(await worker.MetricAsync("vllm:time_to_first_token_seconds_count") >= 1);
    }

    [Fact]
    public async Task An_adapter_answers_otherwise_than_its_base()
    {
        await using var worker = await model.ServeAsync();
        using var folder = new TemporaryFolder();
        string digest = SaveAdapter(folder.File("poet"), model.Config);
        var body = new AdapterRequest { Uri = "file://" + folder.File("poet"), Digest = digest };
        using (var put = await worker.Control.PutAsync("/control/adapters/poet", JsonContent.Create(body, ControlJson.Default.AdapterRequest)))
            Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        Assert.NotEqual(ContentOf(await worker.PostJsonAsync(Chat, Body())), ContentOf(await worker.PostJsonAsync(Chat, Body("demo:poet"))));
        Assert.Equal(["poet"], (await worker.Control.GetFromJsonAsync("/control/load", ControlJson.Default.LoadReport))!.Adapters);
    }

    [Fact]
    public async Task An_adapter_of_another_shape_is_refused_by_name()
    {
        await using var worker = await model.ServeAsync();
        using var folder = new TemporaryFolder();
        SaveAdapter(folder.File("poet"), model.Config with { HiddenSize = 16 });
        var body = new AdapterRequest { Uri = "file://" + folder.File("poet") };
        using var put = await worker.Control.PutAsync("/control/adapters/poet", JsonContent.Create(body, ControlJson.Default.AdapterRequest));
        Assert.Equal(HttpStatusCode.BadRequest, put.StatusCode);
        Assert.Contains("lora_A", await put.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_folder_that_is_missing_fails_with_its_name()
    {
        var options = model.Options with { Model = "file:///no/such/model" };
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, options, waitUntilLoaded: false);
        await Assert.ThrowsAsync<StorageException>(() => worker.Host.Loaded);
        await AssertFailedAsync(worker, "/no/such/model");
    }

    [Fact]
    public async Task Weights_that_are_cut_off_or_lie_fail_with_the_file()
    {
        byte[] whole = await File.ReadAllBytesAsync(model.WeightsFile);
        foreach (byte[] damaged in (byte[][])[whole[..4], whole[..(whole.Length / 2)], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, .. whole[8..]], [.. whole[..8], .. new byte[64]]])
        {
            await File.WriteAllBytesAsync(model.WeightsFile, damaged);
            await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, model.Options, waitUntilLoaded: false);
            var cause = await Assert.ThrowsAsync<CheckpointException>(() => worker.Host.Loaded);
            Assert.True(WorkerCommand.IsBadInput(cause));
            await AssertFailedAsync(worker, "model.safetensors");
        }
    }

    private static async Task AssertFailedAsync(RunningWorker worker, string cause)
    {
        using var ready = await worker.Serving.GetAsync("/ready");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, WorkerPhase.Failed), (ready.StatusCode, worker.Host.State.Phase));
        Assert.Contains(cause, await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    internal static string SaveAdapter(string path, DecoderConfig config, int seed = 1)
    {
        using var values = RandomAdapter.Values(new LoraMethod { Rank = 4, Alpha = 4 }, config, seed);
        return PeftFolder.Save(values, config, path, "demo");
    }
}
