using AiFabric.Engine.Requests;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>What a request without adapter gets does not depend on finetuning beside it, to the last bit.</summary>
public sealed class BesideFinetuningTests
{
    [Theory]
    [InlineData(ScalarType.Float32, Quantization.None, 1)]
    [InlineData(ScalarType.Float32, Quantization.None, 2)]
    [InlineData(ScalarType.BFloat16, Quantization.None, 2)]
    [InlineData(ScalarType.Float32, Quantization.Q8, 2)]
    public async Task Tokens_and_logprobs_are_bit_identical_with_and_without_finetuning(ScalarType type, Quantization quantization, int threads)
    {
        using var model = new RandomModel();
        GenerationRequest[] requests = [.. Enumerable.Range(0, 3).Select(i => EngineTestExtensions.Greedy(model.Prompt((7 * i) + 3, i), 24))];
        EngineOptions Options(EngineOptions options) => options with { Type = type, Quantization = quantization, Threads = threads, PrefixCaching = false };
        List<(int?, double?)>[] alone, beside;
        await using (var engine = model.Start(Options))
            alone = await AnswersAsync(engine, requests);
        await using (var engine = model.Start(Options))
        {
            using var training = new ScriptedTraining(model.Config, model.Prompt(29, 9), null, rounds: 12);
            beside = await AnswersAsync(engine, requests, training);
            await training.Finished.WaitAsync(TimeSpan.FromMinutes(1));
            await engine.DetachTrainingAsync(training);
            Assert.True(engine.Metrics.CoServedIterations.Value > 4, $"{engine.Metrics.CoServedIterations.Value} of {engine.Metrics.Iterations.Value} iterations, {beside.Sum(b => b.Count)} events");
        }

        Assert.Equal(alone, beside);
    }

    private static async Task<List<(int?, double?)>[]> AnswersAsync(LlmEngine engine, GenerationRequest[] requests, ScriptedTraining? training = null)
    {
        var answers = engine.SubmitTogether(requests, training).Select(generation => generation.AllAsync());
        return [.. (await Task.WhenAll(answers)).Select(events => events.Select(next => (next.Token, next.Logprob)).ToList())];
    }
}
