using System.Net.Http.Json;
using AiFabric.Engine.Adapters;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>Training in a worker of its own that is killed as the kernel kills: between any two instructions.</summary>
public sealed class KilledTrainingTests(ITestOutputHelper output) : IDisposable
{
    private const int Steps = 60;
    private readonly TinyServedModel model = new();
    private readonly TemporaryFolder folder = new();

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task A_worker_killed_at_three_random_steps_ends_with_the_adapter_of_one_that_was_not()
    {
        // Long lines, so that a step takes long enough to be met; dropout, a schedule and an optimizer's moments, so that each has to be found again.
        folder.Write("data.jsonl", string.Concat(Enumerable.Range(0, 40).Select(i => $"{{\"text\":\"{string.Concat(Enumerable.Repeat($"line {i * 7} of many, ", 12))}\"}}\n")));
        await RunAsync("whole", killAt: []);
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        int[] killAt = [random.Next(1, 20), random.Next(20, 40), random.Next(40, Steps - 2)];
        await RunAsync("killed", killAt);

        Assert.Equal(Adapter("whole"), Adapter("killed"));
    }

    private byte[] Adapter(string name) => File.ReadAllBytes(folder.File($"{name}/adapter/{PeftFolder.WeightsFile}"));

    private async Task RunAsync(string name, int[] killAt)
    {
        foreach (int step in killAt)
        {
            using var worker = await StartAsync(name);
            TrainingStatus met = await UntilAsync(worker, status => status.Step >= step);
            await worker.KillAsync();
            output.WriteLine($"killed at step {met.Step}, newest checkpoint {met.CheckpointStep}");
        }

        using var last = await StartAsync(name);
        TrainingStatus end = await UntilAsync(last, status => status.State == TrainingState.Succeeded);
        Assert.Equal(Steps, end.Step);
    }

    private async Task<WorkerProcess> StartAsync(string name)
    {
        var worker = WorkerProcess.Start("file://" + model.Path, ["--kv-blocks", "64"]);
        await worker.BeReadyAsync();
        var request = new TrainingRequest
        {
            Job = "killed",
            Dataset = new TrainingDataset { Uri = "file://" + folder.File("data.jsonl") },
            Lora = new TrainingLora { Rank = 4, Alpha = 8, Dropout = 0.1, UseDora = true },
            Hyperparameters = new TrainingHyperparameters
            {
                MaxSteps = Steps,
                Epochs = 1000,
                BatchSize = 2,
                GradientAccumulationSteps = 2,
                SequenceLength = 200,
                LearningRateSchedule = TrainingSchedule.Cosine,
                WarmupSteps = 5,
            },
            CheckpointUri = "file://" + folder.File(name + "/checkpoints"),
            CheckpointIntervalSteps = 3,
            OutputUri = "file://" + folder.File(name + "/adapter"),
        };
        using var control = Control(worker);
        using var response = await control.PutAsync("/control/training/u1", JsonContent.Create(request, ControlJson.Default.TrainingRequest));
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return worker;
    }

    private static async Task<TrainingStatus> UntilAsync(WorkerProcess worker, Func<TrainingStatus, bool> holds)
    {
        using var control = Control(worker);
        TrainingStatus? status = null;
        await RunningWorker.EventuallyAsync(
            async () =>
            {
                status = await control.GetFromJsonAsync("/control/training/u1", ControlJson.Default.TrainingStatus);
                Assert.True(status?.State != TrainingState.Failed, status?.Error?.Message);
                return status is not null && holds(status);
            },
            "the training");
        return status!; // The wait ended with one.
    }

    private static HttpClient Control(WorkerProcess worker) => new() { BaseAddress = new Uri($"http://127.0.0.1:{worker.ControlPort}") };
}
