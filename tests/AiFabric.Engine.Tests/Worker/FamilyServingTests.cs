using System.Net.Http.Json;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Backend;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>A worker with each family's model, in each format of its weights.</summary>
public sealed class FamilyServingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public static TheoryData<string, string, Quantization> Models => [.. FamilyModels.All.SelectMany(family => new (string, string, Quantization)[]
    {
        (family.Data, "float32", Quantization.None), (family.Data, "bfloat16", Quantization.None), (family.Data, "float32", Quantization.Q8),
    })];

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_worker_serves_and_finetunes_every_family(string family, string type, Quantization quantization)
    {
        using var model = FamilyModels.Create(family);
        await using var worker = await RunningWorker.StartAsync(
            EngineBackend.LoadAsync, RunningWorker.Options with { Model = "file://" + model.Path, KvBlocks = 128, Type = type, Quantization = quantization });
        var answer = await worker.PostJsonAsync("/v1/completions", new { model = "demo", prompt = "Hello", max_tokens = 4, ignore_eos = true });
        Assert.Equal(4, answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32());

        var done = await FinetuneAsync(worker);

        var adapter = new AdapterRequest { Uri = done.AdapterUri!, Digest = done.AdapterDigest }; // Set, as it succeeded.
        using var loaded = await worker.Control.PutAsync("/control/adapters/poet", JsonContent.Create(adapter, ControlJson.Default.AdapterRequest));
        Assert.True(loaded.IsSuccessStatusCode, await loaded.Content.ReadAsStringAsync());
        await worker.PostJsonAsync("/v1/completions", new { model = "demo:poet", prompt = "Hello", max_tokens = 4 });
        await worker.PostJsonAsync("/v1/embeddings", new { model = "demo:poet", input = "Hello" });
    }

    private async Task<TrainingStatus> FinetuneAsync(RunningWorker worker)
    {
        folder.Write("data.jsonl", string.Concat(Enumerable.Range(0, 20).Select(i => $"{{\"text\":\"Line {i} of a text that is long enough.\"}}\n")));
        var recipe = new TrainingRequest
        {
            Job = "poet",
            Dataset = new TrainingDataset { Uri = "file://" + folder.File("data.jsonl") },
            Lora = new TrainingLora { Rank = 4, Alpha = 8 },
            Hyperparameters = new TrainingHyperparameters { MaxSteps = 2, BatchSize = 2, SequenceLength = 40 },
            CheckpointUri = "file://" + folder.File("checkpoints"),
            OutputUri = "file://" + folder.File("output"),
        };
        using var begun = await worker.Control.PutAsync("/control/training/u1", JsonContent.Create(recipe, ControlJson.Default.TrainingRequest));
        Assert.True(begun.IsSuccessStatusCode, await begun.Content.ReadAsStringAsync());
        TrainingStatus status = null!;
        await RunningWorker.EventuallyAsync(
            async () =>
            {
                status = (await worker.Control.GetFromJsonAsync("/control/training/u1", ControlJson.Default.TrainingStatus))!; // The body is never null.
                return status.State is TrainingState.Succeeded or TrainingState.Failed;
            },
            "finetuning ends");
        Assert.True(status.State == TrainingState.Succeeded, status.Error?.Message);
        return status;
    }
}
