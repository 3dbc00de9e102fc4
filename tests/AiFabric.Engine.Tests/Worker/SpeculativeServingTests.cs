using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class SpeculativeServingTests : IDisposable
{
    private readonly TinyServedModel model = new();

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task Answers_over_http_are_the_same_with_guesses()
    {
        await using var plain = await model.ServeAsync();
        await using var guessing = await model.ServeAsync(o => o with { SpeculativeMethod = SpeculativeMethod.PromptLookup, PromptLookupMin = 1, SpeculativeTokens = 6 });
        foreach (object body in (object[])[Body(1, 0), Body(1, 0), Body(3, 0.3), Body(2, 1)])
        {
            var (expected, actual) = (await plain.PostJsonAsync("/v1/completions", body), await guessing.PostJsonAsync("/v1/completions", body));
            Assert.Equal(expected.GetProperty("choices").GetRawText(), actual.GetProperty("choices").GetRawText());
            Assert.Equal(expected.GetProperty("usage").GetRawText(), actual.GetProperty("usage").GetRawText());
        }
        Assert.Equal(0, await plain.MetricAsync("vllm:spec_decode_num_draft_tokens_total"));
        Assert.True(await guessing.MetricAsync("vllm:spec_decode_num_draft_tokens_total") > 0);
    }

    private static object Body(int n, double temperature) => new
    {
        model = "demo",
        prompt = "one two one two one two one",
        n,
        temperature,
        seed = 5,
        max_tokens = 80,
        logprobs = 2,
        ignore_eos = true,
    };
}
