using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Control;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class ControlTests : IAsyncLifetime
{
    private readonly ScriptedBackend backend = new();
    private readonly TemporaryFolder folder = new();
    private RunningWorker worker = null!; // Set before every test.

    public async ValueTask InitializeAsync() => worker = await RunningWorker.StartAsync(backend);

    public async ValueTask DisposeAsync()
    {
        await worker.DisposeAsync();
        folder.Dispose();
    }

    private static TrainingRequest Recipe => new()
    {
        Job = "job",
        Dataset = new TrainingDataset { Uri = "file:///data.jsonl" },
        CheckpointUri = "file:///checkpoints",
        OutputUri = "file:///output",
    };

    private Task<HttpResponseMessage> PutAsync(string uid, TrainingRequest request) =>
        worker.Control.PutAsync($"/control/training/{uid}", JsonContent.Create(request, ControlJson.Default.TrainingRequest));

    private static async Task<TrainingStatus> StatusAsync(HttpResponseMessage response) =>
        (await response.Content.ReadFromJsonAsync(ControlJson.Default.TrainingStatus))!; // The body is never null.

    [Fact]
    public async Task Putting_a_session_twice_changes_nothing_and_suspend_is_a_field()
    {
        Assert.Equal(TrainingState.Starting, (await StatusAsync(await PutAsync("u1", Recipe))).State);
        Assert.Equal(TrainingState.Starting, (await StatusAsync(await PutAsync("u1", Recipe))).State);
        var run = Assert.Single(backend.Runs);
        Assert.Equal(("/data.jsonl", "/checkpoints", "demo"), (run.Recipe.DatasetPath, run.Recipe.CheckpointFolder, run.Recipe.BaseModelName));
        Assert.Equal(TrainingState.Suspended, (await StatusAsync(await PutAsync("u1", Recipe with { Suspend = true }))).State);
        Assert.True(run.Suspended);
        Assert.Equal(TrainingState.Starting, (await StatusAsync(await PutAsync("u1", Recipe))).State);
        Assert.Equal("u1", Assert.Single((await worker.Control.GetFromJsonAsync("/control/training", ControlJson.Default.TrainingList))!.Sessions).Uid);
    }

    [Fact]
    public async Task A_known_session_with_another_recipe_conflicts()
    {
        await PutAsync("u1", Recipe);
        using var response = await PutAsync("u1", Recipe with { Lora = new TrainingLora { Rank = 3 } });
        Assert.Equal(HttpStatusCode.Conflict, response.StatusCode);
    }

    [Fact]
    public async Task Deleting_stops_and_forgets_a_session_and_may_be_repeated()
    {
        await PutAsync("u1", Recipe);
        Assert.Equal(HttpStatusCode.NoContent, (await worker.Control.DeleteAsync("/control/training/u1")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await worker.Control.DeleteAsync("/control/training/u1")).StatusCode);
        Assert.True(backend.Runs[0].Stopped);
        Assert.Equal(HttpStatusCode.NotFound, (await worker.Control.GetAsync("/control/training/u1")).StatusCode);
    }

    [Theory]
    [InlineData(AiFabric.Engine.Training.TrainingState.Succeeded, TrainingState.Succeeded)]
    [InlineData(AiFabric.Engine.Training.TrainingState.Failed, TrainingState.Failed)]
    public async Task An_ended_session_makes_room_for_another_and_still_tells_its_outcome(AiFabric.Engine.Training.TrainingState end, TrainingState told)
    {
        for (int i = 0; i < TrainingRegistry.MaxSessions; i++)
            Assert.Equal(HttpStatusCode.OK, (await PutAsync($"u{i}", Recipe)).StatusCode);
        using var refused = await PutAsync("next", Recipe);
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        Assert.Contains("too_many_sessions", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        backend.Runs[0].End = end;
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("next", Recipe)).StatusCode);
        Assert.Equal(told, (await StatusAsync(await worker.Control.GetAsync("/control/training/u0"))).State);
        Assert.Equal(HttpStatusCode.Conflict, (await PutAsync("last", Recipe)).StatusCode);
    }

    [Theory]
    [InlineData("{\"job\":\"j\",\"dataset\":{\"uri\":\"file:///d\"},\"checkpointUri\":\"file:///c\",\"outputUri\":\"file:///o\",\"epochs\":2}", "epochs")]
    [InlineData("{\"job\":\"j\",\"dataset\":{\"uri\":\"file:///d\",\"kind\":1},\"checkpointUri\":\"file:///c\",\"outputUri\":\"file:///o\"}", "kind")]
    [InlineData("{\"job\":\"j\",\"checkpointUri\":\"file:///c\",\"outputUri\":\"file:///o\"}", "dataset")]
    [InlineData("{\"job\":\"j\",\"dataset\":{\"uri\":\"file:///d\"},\"checkpointUri\":\"s3://c\",\"outputUri\":\"file:///o\"}", "supported: file")]
    [InlineData("{\"job\":\"j\",\"dataset\":{\"uri\":\"data.jsonl\"},\"checkpointUri\":\"file:///c\",\"outputUri\":\"file:///o\"}", "file:///path")]
    [InlineData("{\"job\":\"j\",\"dataset\":{\"uri\":\"file:///d\",\"format\":\"Csv\"},\"checkpointUri\":\"file:///c\",\"outputUri\":\"file:///o\"}", "dataset.format")]
    [InlineData("{\"job\":\"j\",\"dataset\":{\"uri\":\"file:///d\"},\"checkpointUri\":\"file:///c\",\"outputUri\":\"file:///o\",\"lora\":{\"rank\":\"x\"}}", "lora.rank")]
    [InlineData("{\"job\":\"j\",\"dataset\":{\"uri\":\"file:///d\"},\"checkpointUri\":\"file:///c\",\"outputUri\":\"file:///o\",\"lora\":{\"targetModules\":[\"z_proj\"]}}", "z_proj")]
    public async Task A_recipe_that_cannot_be_is_refused_by_field(string body, string cause)
    {
        using var response = await worker.Control.PutAsync("/control/training/u1", new StringContent(body, Encoding.UTF8, "application/json"));
        string answer = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.BadRequest, answer);
        Assert.Contains(cause, answer, StringComparison.Ordinal);
        Assert.Empty(backend.Runs);
    }

    [Fact]
    public async Task A_worker_without_finetuning_refuses_sessions()
    {
        await using var other = await RunningWorker.StartAsync(new ScriptedBackend(), o => o with { MaxFinetuneTokens = 0 });
        using var response = await other.Control.PutAsync("/control/training/u1", JsonContent.Create(Recipe, ControlJson.Default.TrainingRequest));
        Assert.Equal(HttpStatusCode.Conflict, response.StatusCode);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_control_port_asks_for_its_token(bool byFile)
    {
        await using var guarded = await RunningWorker.StartAsync(
            new ScriptedBackend(), o => byFile ? o with { ControlTokenFile = folder.Write("token", "secret\n") } : o with { ControlToken = "secret" });
        foreach (string? header in (string?[])[null, "Bearer wrong", "Basic secret", "Bearer"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/control/load");
            request.Headers.TryAddWithoutValidation("Authorization", header);
            using var refused = await guarded.Control.SendAsync(request);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.Contains("authentication_error", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        guarded.Control.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "secret");
        Assert.Equal("demo", (await guarded.Control.GetFromJsonAsync("/control/load", ControlJson.Default.LoadReport))!.Model);
        Assert.Equal("alive\n", await guarded.Serving.GetStringAsync("/health"));
    }

    [Fact]
    public async Task An_adapter_is_served_under_its_own_name_until_it_is_unloaded()
    {
        var body = new AdapterRequest { Uri = "file://" + folder.Path, Digest = "sha256:poet" };
        using (var response = await worker.Control.PutAsync("/control/adapters/poet", JsonContent.Create(body, ControlJson.Default.AdapterRequest)))
            Assert.Equal("sha256:poet", (await response.Content.ReadFromJsonAsync(ControlJson.Default.AdapterStatus))!.Digest);
        var models = (await worker.Serving.GetFromJsonAsync<JsonElement>("/v1/models")).GetProperty("data");
        Assert.Equal(["demo", "demo:poet"], models.EnumerateArray().Select(m => m.GetProperty("id").GetString()));
        Assert.Equal("demo", models[1].GetProperty("parent").GetString());
        Assert.Equal("demo:poet", (await worker.Serving.GetFromJsonAsync<JsonElement>("/v1/models/demo:poet")).GetProperty("id").GetString());
        await worker.PostJsonAsync("/v1/completions", new { model = "demo:poet", prompt = "a" });
        Assert.Equal("poet", backend.Requests[^1].Adapter);
        Assert.Equal(HttpStatusCode.NoContent, (await worker.Control.DeleteAsync("/control/adapters/poet")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await worker.PostAsync("/v1/completions", new { model = "demo:poet", prompt = "a" })).StatusCode);
    }

    [Theory]
    [InlineData("poet", "{\"uri\":\"file:///no/such/folder\"}", 400)]
    [InlineData("poet", "{\"uri\":\"ftp://registry/poet\"}", 400)]
    [InlineData("poet", "{\"uri\":\"file:///tmp\",\"digest\":\"sha256:other\"}", 409)]
    [InlineData("-poet", "{\"uri\":\"file:///tmp\"}", 400)]
    [InlineData("poet", "{}", 400)]
    [InlineData("poet", "{\"uri\":\"file:///tmp\",\"name\":\"x\"}", 400)]
    public async Task An_adapter_that_cannot_be_is_refused(string name, string body, int status)
    {
        using var response = await worker.Control.PutAsync($"/control/adapters/{name}", new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(status, (int)response.StatusCode);
    }
}
