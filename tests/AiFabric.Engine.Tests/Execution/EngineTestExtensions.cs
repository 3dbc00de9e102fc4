using AiFabric.Engine.Requests;
using AiFabric.Engine.Training;

namespace AiFabric.Engine.Tests.Execution;

internal static class EngineTestExtensions
{
    /// <summary>All events; fails after a minute instead of hanging.</summary>
    public static async Task<List<TokenEvent>> AllAsync(this Generation generation)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var events = new List<TokenEvent>();
        await foreach (var next in generation.Events.ReadAllAsync(deadline.Token))
            events.Add(next);
        return events;
    }

    /// <summary>Keeps the engine's thread busy until the answer is disposed, so that what is submitted meanwhile starts together.</summary>
    public static IDisposable Hold(this LlmEngine engine)
    {
        var gate = new ManualResetEventSlim();
        var entered = new ManualResetEventSlim();
        _ = engine.RunOnEngineThreadAsync(
            () =>
            {
                entered.Set();
                gate.Wait();
                return true;
            },
            CancellationToken.None);
        entered.Wait();
        return new Opener(gate);
    }

    /// <summary>Submits all, and attaches training with them: short training that began before would be over when they come.</summary>
    public static Generation[] SubmitTogether(this LlmEngine engine, IEnumerable<GenerationRequest> requests, ITrainingExecutor? training = null)
    {
        using (engine.Hold())
        {
            Generation[] generations = [.. requests.Select(engine.Submit)];
            if (training is not null)
                engine.AttachTraining(training);
            return generations;
        }
    }

    public static GenerationRequest Greedy(int[] prompt, int count, string? adapter = null) => new()
    {
        PromptTokens = prompt,
        MaxTokens = count,
        Adapter = adapter,
        TopLogprobs = 2,
        Sampling = new SamplingParameters { Temperature = 0 },
    };

    private sealed class Opener(ManualResetEventSlim gate) : IDisposable
    {
        public void Dispose() => gate.Set();
    }
}
