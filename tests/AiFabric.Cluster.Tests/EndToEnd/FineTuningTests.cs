using System.Text.Json;
using AiFabric.Crds.FinetuneJobs;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>OpenAI's finetuning, by OpenAI's client: the gateway keeps the order, the operator makes the FinetuneJob, a worker trains, the adapter answers.</summary>
[Collection(FabricTests.Name)]
public sealed class FineTuningTests(FabricFixture fabric)
{
    [Fact]
    public async Task The_npm_client_finetunes_a_model_and_asks_it()
    {
        await fabric.ModelReadyAsync();
        string file = fabric.NewPath("openai/train.jsonl");
        await File.WriteAllLinesAsync(file, Enumerable.Range(0, 16).Select(i =>
            $$"""{"messages":[{"role":"user","content":"Word {{i}}?"},{"role":"assistant","content":"It is the number {{i}} of our words."}]}"""));
        using JsonDocument document = JsonDocument.Parse(await fabric.NodeAsync("finetune.mjs", new Uri(fabric.Gateway, "/v1").ToString(), "demo", file));
        JsonElement said = document.RootElement;

        Assert.Equal("""{"status":400,"code":"invalid_file","param":"file"}""", said.GetProperty("badFile").GetRawText());
        Assert.Equal("""{"status":404,"code":"model_not_found","param":"model"}""", said.GetProperty("badModel").GetRawText());
        Assert.Equal("hyperparameters.n_epochs", said.GetProperty("badEpochs").GetProperty("param").GetString());
        Assert.Equal("file_in_use", said.GetProperty("inUse").GetProperty("code").GetString());
        JsonElement done = said.GetProperty("done");
        Assert.Equal("queued", said.GetProperty("created").GetString());
        Assert.True(done.GetProperty("status").GetString() == "succeeded", done.ToString());
        Assert.StartsWith("demo:words-", done.GetProperty("fine_tuned_model").GetString(), StringComparison.Ordinal);
        Assert.True(done.GetProperty("trained_tokens").GetInt64() > 0, done.ToString());
        Assert.Equal(done.GetProperty("fine_tuned_model").GetString(), said.GetProperty("answer").GetString());
        string[] events = [.. said.GetProperty("events").EnumerateArray().Select(e => e.GetString()!)]; // each has its message
        Assert.Contains("successfully completed", events[0], StringComparison.Ordinal);
        Assert.StartsWith("Created fine-tuning job", events[^1], StringComparison.Ordinal);

        Assert.Equal(("paused", "cancelled"), (said.GetProperty("paused").GetString(), said.GetProperty("cancelled").GetString()));
        Assert.Equal("job_ended", said.GetProperty("again").GetProperty("code").GetString());
        string second = said.GetProperty("second").GetString()!; // an id
        Assert.Equal([second, done.GetProperty("id").GetString()], said.GetProperty("jobs").EnumerateArray().Select(id => id.GetString()).Take(2));
        await FabricFixture.UntilAsync(async () => await fabric.Client.GetAsync<FinetuneJob>(second, FabricFixture.Space) is null, () => "the cancelled FinetuneJob to go");
        Assert.True(said.GetProperty("same").GetBoolean());
        Assert.True(said.GetProperty("deleted").GetBoolean());
    }

    [Fact]
    public async Task An_order_survives_the_gateway_and_the_operator_that_should_take_it()
    {
        await fabric.ModelReadyAsync();
        string id = await fabric.PlaceOrderAsync();
        await fabric.Processes.KillAsync("aifabric-system", "app.kubernetes.io/component=gateway");
        await fabric.Processes.KillAsync("aifabric-system", "app.kubernetes.io/component=operator");
        string body = "";
        await FabricFixture.UntilAsync(
            async () =>
            {
                body = await fabric.ReadAsync(new Uri(fabric.Gateway, $"/v1/fine_tuning/jobs/{id}"));
                return body.Contains("\"status\":\"succeeded\"", StringComparison.Ordinal);
            },
            () => $"the job to succeed; it is {body}");
    }
}
