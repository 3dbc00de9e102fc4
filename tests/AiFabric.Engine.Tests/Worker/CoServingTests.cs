using System.Net.Http.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class CoServingTests : IDisposable
{
    private readonly TinyServedModel model = new();
    private readonly TemporaryFolder folder = new();

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    private TrainingRequest Recipe(int steps) => new()
    {
        Job = "poet",
        Dataset = new TrainingDataset { Uri = "file://" + folder.File("data.jsonl") },
        Lora = new TrainingLora { Rank = 4, Alpha = 8 },
        Hyperparameters = new TrainingHyperparameters { MaxSteps = steps, Epochs = 1000, BatchSize = 2, SequenceLength = 32 },
        CheckpointUri = "file://" + folder.File("checkpoints"),
        CheckpointIntervalSteps = 2,
        OutputUri = "file://" + folder.File("output"),
    };

    private static async Task<TrainingStatus> PutAsync(RunningWorker worker, TrainingRequest recipe)
    {
        using var response = await worker.Control.PutAsync("/control/training/u1", JsonContent.Create(recipe, ControlJson.Default.TrainingRequest));
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return (await response.Content.ReadFromJsonAsync(ControlJson.Default.TrainingStatus))!; // The body is never null.
    }

    private static async Task<TrainingStatus> StatusAsync(RunningWorker worker) =>
        (await worker.Control.GetFromJsonAsync("/control/training/u1", ControlJson.Default.TrainingStatus))!; // The body is never null.

    private static Task UntilAsync(RunningWorker worker, Func<TrainingStatus, bool> holds, string what) => RunningWorker.EventuallyAsync(
        async () =>
        {
            var status = await StatusAsync(worker);
            Assert.True(status.State != TrainingState.Failed, status.Error?.Message);
            return holds(status);
        },
        what);

    [Fact]
    public async Task Training_and_chats_share_iterations_and_the_adapter_is_served()
    {
        WriteData();
        await using var worker = await model.ServeAsync();
        // Enough steps for a request to meet some of them, however busy the machine is.
        await PutAsync(worker, Recipe(steps: 30));
        await UntilAsync(worker, s => s.State != TrainingState.Starting, "training runs");
        await RunningWorker.EventuallyAsync(
            async () =>
            {
                await worker.PostJsonAsync("/v1/completions", new { model = "demo", prompt = "Hello", max_tokens = 20, ignore_eos = true });
                return (await StatusAsync(worker)).State is TrainingState.Succeeded or TrainingState.Failed;
            },
            "training ends");
        var done = await StatusAsync(worker);
        Assert.True(done.State == TrainingState.Succeeded, done.Error?.Message);
        Assert.Equal((30, 30), (done.Step, done.TotalSteps));
        Assert.True(await worker.MetricAsync("aifabric_engine_coserved_iterations_total") > 0);
        Assert.True(await worker.MetricAsync("aifabric_engine_finetune_tokens_total{phase=\"backward\"") > 0);

        var adapter = new AdapterRequest { Uri = done.AdapterUri!, Digest = done.AdapterDigest }; // Set once it succeeded.
        using var put = await worker.Control.PutAsync("/control/adapters/poet", JsonContent.Create(adapter, ControlJson.Default.AdapterRequest));
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        await worker.PostJsonAsync("/v1/completions", new { model = "demo:poet", prompt = "Hello", max_tokens = 4 });
    }

    [Fact]
    public async Task A_restarted_worker_resumes_where_the_last_one_stopped()
    {
        WriteData();
        int stoppedAt;
        await using (var first = await model.ServeAsync())
        {
            await PutAsync(first, Recipe(steps: 100_000));
            await UntilAsync(first, s => s.Step >= 3, "three steps are done");
            await first.Host.StopAsync(CancellationToken.None);
            stoppedAt = Directory.GetDirectories(folder.File("checkpoints")).Length;
        }
        Assert.True(stoppedAt > 0);
        await using var second = await model.ServeAsync();
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await second.Control.GetAsync("/control/training/u1")).StatusCode);
        await PutAsync(second, Recipe(steps: 100_000));
        await UntilAsync(second, s => s.State == TrainingState.Running, "training runs again");
        Assert.True((await StatusAsync(second)).Step >= 3);
    }

    [Fact]
    public async Task A_broken_line_of_the_data_fails_the_session_with_its_number()
    {
        folder.Write("data.jsonl", "{\"text\":\"fine\"}\n{\"text\":\n");
        await using var worker = await model.ServeAsync();
        await PutAsync(worker, Recipe(steps: 2));
        await RunningWorker.EventuallyAsync(async () => (await StatusAsync(worker)).State == TrainingState.Failed, "the job fails");
        var error = (await StatusAsync(worker)).Error;
        Assert.Equal(("InvalidDataset", false), (error?.Reason, error?.Retryable));
        Assert.Contains("line 2", error?.Message, StringComparison.Ordinal);
        await worker.PostJsonAsync("/v1/completions", new { model = "demo", prompt = "Hello", max_tokens = 4 });
    }

    private void WriteData() => folder.Write("data.jsonl", string.Concat(Enumerable.Range(0, 40).Select(i => $"{{\"text\":\"Line {i} of a text that is long enough to be cut.\"}}\n")));
}
