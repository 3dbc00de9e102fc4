using System.Net;
using AiFabric.Engine.Tests.Encoders;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Hosting;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>A worker whose engine ends unasked.</summary>
public sealed class DeadEngineTests
{
    [Fact]
    public async Task A_worker_whose_engine_died_is_not_ready_and_offers_no_model()
    {
        using var model = new TinyEncoder();
        bool broken = false;
        var engine = model.Start(o => o with { Observer = (_, _) => Work() });
        await using var worker = await RunningWorker.StartAsync((_, _, _, _) => Task.FromResult<IModelBackend>(new EncoderBackend(engine)), RunningWorker.Options);
        Assert.Equal("ready\n", await worker.Serving.GetStringAsync("/ready"));
        var body = new { model = "demo", input = "Hello" };
        await worker.PostJsonAsync("/v1/embeddings", body);

        broken = true;
        using (await worker.PostAsync("/v1/embeddings", body))
            await worker.Host.State.Failed.WaitAsync(TimeSpan.FromMinutes(1));

        using var ready = await worker.Serving.GetAsync("/ready");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "Failed: the engine died: beyond repair\n"), (ready.StatusCode, await ready.Content.ReadAsStringAsync()));
        foreach (var (client, path) in ((HttpClient, string)[])[(worker.Serving, "/v1/models"), (worker.Serving, "/load"), (worker.Control, "/control/load")])
        {
            using var answer = await client.GetAsync(path);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Contains("the engine died: beyond repair", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        void Work()
        {
            if (broken)
                throw new InvalidDataException("beyond repair");
        }
    }

    [Fact]
    public async Task A_process_whose_engine_died_ends_with_1_and_one_line()
    {
        // A failure that would be the input's fault while loading is none of it later.
        var backend = new ScriptedBackend { Completion = Task.FromResult<Exception?>(new ModelException("beyond\nrepair")) };
        var errors = new StringWriter();
        var options = RunningWorker.Options with { Model = "file:///none?X-Amz-Signature=secret" };

        int code = await ServeProcess.RunAsync(options, (_, _, _, _) => Task.FromResult<IModelBackend>(backend), errors, CancellationToken.None)
            .WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal((1, $"aifabric-worker: cannot serve file:///none: the engine died: beyond repair{errors.NewLine}"), (code, errors.ToString()));
    }
}
