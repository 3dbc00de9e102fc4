using System.Net.Http.Json;
using AiFabric.Engine.Weights;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>libtorch takes a third of a second and a hundred megabytes: who only generates does not pay for it.</summary>
public sealed class LazyTorchTests
{
    private const string Library = "libtorch_cpu.so";

    [Theory]
    [InlineData("--dtype", "float32")]
    [InlineData("--dtype", "bfloat16")]
    [InlineData("--quantization", "Q8")]
    public async Task Libtorch_is_loaded_by_an_adapter_but_not_by_generating(string option, string value)
    {
        string model = DemoModel.RequireFolder();
        using var adapter = new TemporaryFolder();
        EngineServingTests.SaveAdapter(adapter.File("a"), DecoderConfig.Load(model));
        using var worker = WorkerProcess.Start("file://" + model, [option, value]);
        await worker.BeReadyAsync();
        using var serving = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{worker.Port}") };
        using var control = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{worker.ControlPort}") };

        using var answer = await serving.PostAsJsonAsync("/v1/completions", new { model = "demo", prompt = "Hello", max_tokens = 4, ignore_eos = true });
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        Assert.False(worker.Maps(Library));

        using var loaded = await control.PutAsJsonAsync("/control/adapters/a", new { uri = "file://" + adapter.File("a") });
        Assert.True(loaded.IsSuccessStatusCode, await loaded.Content.ReadAsStringAsync());
        Assert.True(worker.Maps(Library));
        using var adapted = await serving.PostAsJsonAsync("/v1/completions", new { model = "demo:a", prompt = "Hello", max_tokens = 4, ignore_eos = true });
        Assert.True(adapted.IsSuccessStatusCode, await adapted.Content.ReadAsStringAsync());
    }
}
