using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Backend;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>More adapters than fit into memory.</summary>
public sealed class AdapterShelfTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30); // for what must not wait at all

    private static readonly string[] Texts = [.. Enumerable.Range(1, 20).Select(i => string.Concat(Enumerable.Repeat("whale ", i)))];

    private readonly TinyServedModel model = new();
    private readonly TemporaryFolder folder = new();

    public void Dispose()
    {
        folder.Dispose();
        model.Dispose();
    }

    [Fact]
    public async Task Adapters_beyond_memory_answer_as_if_they_were_there()
    {
        string[] names = ["a", "b", "c", "d"];
        await using var worker = await model.ServeAsync(options => options with { MaxAdapters = 2 });
        foreach (string name in names)
            await PutAsync(worker, name);
        var load = await worker.Control.GetFromJsonAsync("/control/load", ControlJson.Default.LoadReport);
        Assert.Equal(names, load!.Adapters); // an object
        var listed = await worker.Serving.GetFromJsonAsync("/v1/models", OpenAIJson.Default.ModelList);
        Assert.Equal(["demo", .. names.Select(name => "demo:" + name)], listed!.Data.Select(card => card.Id)); // an object

        var alone = new Dictionary<string, string>();
        foreach (string name in names)
            alone[name] = await AskAsync(worker, name);
        Assert.Equal(names.Length, alone.Values.Distinct().Count());
        // All at once: some wait until another has gone.
        string[] together = await Task.WhenAll(names.Concat(names).Select(name => AskAsync(worker, name)));
        Assert.Equal([.. names.Concat(names).Select(name => alone[name])], together);

        using var gone = await worker.Control.DeleteAsync(new Uri("/control/adapters/a", UriKind.Relative));
        Assert.Equal(HttpStatusCode.NotFound, (await PostAsync(worker, "a")).Status);
    }

    [Fact]
    public async Task Adapters_beyond_memory_embed_as_if_they_were_there()
    {
        await using var worker = await model.ServeAsync(options => options with { MaxAdapters = 1 });
        await PutAsync(worker, "a");
        await PutAsync(worker, "b");

        float[] first = await EmbedAsync(worker, "a"), second = await EmbedAsync(worker, "b");
        Assert.InRange(Distance(first, second), 1e-3, double.MaxValue);
        float[][] alone = [first, second, first], together = await Task.WhenAll(EmbedAsync(worker, "a"), EmbedAsync(worker, "b"), EmbedAsync(worker, "a"));
        Assert.All(alone.Zip(together), pair => Assert.InRange(Distance(pair.First, pair.Second), 0, 1e-4));
    }

    [Fact]
    public async Task An_adapter_whose_files_changed_on_disk_is_not_served_under_its_old_digest()
    {
        await using var worker = await model.ServeAsync(options => options with { MaxAdapters = 1 });
        await PutAsync(worker, "a");
        await PutAsync(worker, "b");
        EngineServingTests.SaveAdapter(folder.File("a"), model.Config, seed: 3);
        var (status, body) = await PostAsync(worker, "a");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "adapter_unavailable"), (status, body.GetProperty("error").GetProperty("code").GetString()));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_adapter_that_moved_is_read_from_its_new_place(bool inMemory)
    {
        await using var worker = await model.ServeAsync(options => options with { MaxAdapters = 1 });
        var there = await PutAsync(worker, "a");
        string before = await AskAsync(worker, "a");
        if (!inMemory)
            await PutAsync(worker, "b");
        EngineServingTests.SaveAdapter(folder.File("other"), model.Config, seed: 3);
        Assert.Equal(HttpStatusCode.Conflict, await PutAsync(worker, "a", there with { Uri = At("other").Uri }));
        Assert.Equal(before, await AskAsync(worker, "a"));

        Directory.Move(folder.File("a"), folder.File("moved"));
        Assert.Equal(HttpStatusCode.OK, await PutAsync(worker, "a", there with { Uri = At("moved").Uri }));
        await PutAsync(worker, "c");
        Assert.Equal(before, await AskAsync(worker, "a"));
    }

    [Fact]
    public async Task An_adapter_that_is_still_being_downloaded_keeps_no_request_for_another_one_waiting()
    {
        using var random = new RandomModel();
        await using var engine = random.Start(options => options with { MaxAdapters = 1 });
        using var shelf = new AdapterShelf(engine);
        foreach (string name in (string[])["a", "b", "c"])
            EngineServingTests.SaveAdapter(folder.File(name), random.Config, seed: name[0]);
        foreach (string name in (string[])["a", "b"])
            await shelf.PutAsync(name, At(name), (use, _) => use(folder.File(name)), CancellationToken.None);
        var downloaded = new TaskCompletionSource();
        var put = shelf.PutAsync(
            "c", At("c"),
            async (use, _) =>
            {
                await downloaded.Task;
                return await use(folder.File("c"));
            },
            CancellationToken.None);

        using (var held = await shelf.HoldAsync("a", CancellationToken.None).WaitAsync(Patience))
            Assert.NotNull(held);
        Assert.True(await shelf.RemoveAsync("b", CancellationToken.None).WaitAsync(Patience));
        downloaded.SetResult();
        Assert.Equal("c", (await put).Name);
        Assert.Equal(["a", "c"], shelf.List().Select(adapter => adapter.Name));
    }

    [Fact]
    public async Task A_request_that_waits_for_an_adapters_folder_gets_none_that_was_taken_away_meanwhile()
    {
        using var random = new RandomModel();
        await using var engine = random.Start(options => options with { MaxAdapters = 1 });
        using var shelf = new AdapterShelf(engine);
        foreach (string name in (string[])["a", "b"])
            EngineServingTests.SaveAdapter(folder.File(name), random.Config, seed: name[0]);
        var downloaded = new TaskCompletionSource();
        downloaded.SetResult();
        await shelf.PutAsync(
            "a", At("a"),
            async (use, _) =>
            {
                await downloaded.Task;
                return await use(folder.File("a"));
            },
            CancellationToken.None);
        await shelf.PutAsync("b", At("b"), (use, _) => use(folder.File("b")), CancellationToken.None);

        downloaded = new TaskCompletionSource();
        var hold = shelf.HoldAsync("a", CancellationToken.None);
        Assert.True(await shelf.RemoveAsync("a", CancellationToken.None).WaitAsync(Patience));
        downloaded.SetResult();
        Assert.Null(await hold);
        Assert.Equal(["b"], engine.Adapters.Select(adapter => adapter.Name));
    }

    private AdapterRequest At(string place) => new() { Uri = "file://" + folder.File(place) };

    private async Task<AdapterRequest> PutAsync(RunningWorker worker, string name)
    {
        var body = At(name) with { Digest = EngineServingTests.SaveAdapter(folder.File(name), model.Config, seed: name[0]) };
        Assert.Equal(HttpStatusCode.OK, await PutAsync(worker, name, body));
        return body;
    }

    private static async Task<HttpStatusCode> PutAsync(RunningWorker worker, string name, AdapterRequest body)
    {
        using var put = await worker.Control.PutAsync($"/control/adapters/{name}", JsonContent.Create(body, ControlJson.Default.AdapterRequest));
        return put.StatusCode;
    }

    private static async Task<string> AskAsync(RunningWorker worker, string name)
    {
        var body = await UntilServedAsync(() => PostAsync(worker, name));
        return body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!; // always there
    }

    // The numbers of all texts' vectors.
    private static async Task<float[]> EmbedAsync(RunningWorker worker, string name)
    {
        var body = await UntilServedAsync(() => PostAsync(worker, "/v1/embeddings", new { model = "demo:" + name, input = Texts }));
        return [.. body.GetProperty("data").EnumerateArray().SelectMany(item => item.GetProperty("embedding").EnumerateArray()).Select(number => number.GetSingle())];
    }

    private static double Distance(float[] a, float[] b) => a.Zip(b).Max(pair => Math.Abs(pair.First - pair.Second));

    // More requests at once than adapters fit are told to come again.
    private static async Task<JsonElement> UntilServedAsync(Func<Task<(HttpStatusCode Status, JsonElement Body)>> post)
    {
        while (true)
        {
            var (status, body) = await post();
            if (status == HttpStatusCode.OK)
                return body;
            Assert.Equal((HttpStatusCode.TooManyRequests, "adapter_limit"), (status, body.GetProperty("error").GetProperty("code").GetString()));
            await Task.Yield();
        }
    }

    private static Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(RunningWorker worker, string name) => PostAsync(
        worker, "/v1/chat/completions",
        new { model = "demo:" + name, messages = new[] { new { role = "user", content = "Hello" } }, temperature = 0, max_tokens = 12, ignore_eos = true });

    private static async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(RunningWorker worker, string path, object body)
    {
        using var answer = await worker.PostAsync(path, body);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }
}
