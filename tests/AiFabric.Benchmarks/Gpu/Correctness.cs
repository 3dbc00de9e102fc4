using AiFabric.Benchmarks.Speed;
using AiFabric.Engine;
using AiFabric.Engine.Requests;
using Microsoft.Extensions.Logging.Abstractions;
using TorchSharp;

namespace AiFabric.Benchmarks.Gpu;

/// <summary>How far the engine on a device is from the engine on the CPU in Float32, on the same weights and prompts.</summary>
/// <param name="Shape">The model.</param>
/// <param name="Type">Element type on the device.</param>
/// <param name="LargestDifference">Of natural log probabilities of the likeliest tokens.</param>
/// <param name="Allowed">What rounding explains.</param>
/// <param name="SameTokens">Share of greedy tokens that are the same, up to the first that differs in each answer.</param>
internal sealed record Correctness(string Shape, string Type, double LargestDifference, double Allowed, double SameTokens)
{
    private const int Prompts = 12;
    private const int Answer = 24;
    private const int Likeliest = 20;

    public bool Holds => LargestDifference <= Allowed;

    public static async Task<IReadOnlyList<Correctness>> MeasureAsync(ModelFiles model, GpuShape shape, string device)
    {
        int[][] prompts = [.. Enumerable.Range(0, Prompts).Select(i => Speed.Prompts.Random(i, 1 + (i * i), shape.Config.VocabularySize))];
        var expected = await AnswersAsync(model, "cpu", torch.ScalarType.Float32, prompts);
        var found = new List<Correctness>();
        foreach (var (type, allowed) in ((torch.ScalarType, double)[])[(torch.ScalarType.Float32, 1e-2), (torch.ScalarType.BFloat16, 0.5)])
            found.Add(Compare(shape, type, allowed, expected, await AnswersAsync(model, device, type, prompts)));
        return found;
    }

    private static Correctness Compare(GpuShape shape, torch.ScalarType type, double allowed, List<TokenEvent>[] expected, List<TokenEvent>[] actual)
    {
        double difference = 0;
        int same = 0;
        foreach (var (a, b) in expected.Zip(actual))
        {
            for (int i = 0; i < a.Count; i++)
            {
                // Until the answers part, both saw the same tokens.
                var others = b[i].TopLogprobs!.ToDictionary(top => top.Token, top => top.Logprob); // Asked for.
                foreach (var top in a[i].TopLogprobs!.Where(top => others.ContainsKey(top.Token))) // Asked for.
                    difference = Math.Max(difference, Math.Abs(top.Logprob - others[top.Token]));
                if (a[i].Token != b[i].Token)
                    break;
                same++;
            }
        }
        return new Correctness(shape.Name, type.ToString(), difference, allowed, (double)same / expected.Sum(events => events.Count));
    }

    private static async Task<List<TokenEvent>[]> AnswersAsync(ModelFiles model, string device, torch.ScalarType type, int[][] prompts)
    {
        var options = new EngineOptions { ModelFolder = model.Folder, Device = device, Type = type };
        await using var engine = LlmEngine.Load(options, TimeProvider.System, NullLoggerFactory.Instance);
        return await Task.WhenAll(prompts.Select(prompt => AnswerAsync(engine, prompt)));
    }

    private static async Task<List<TokenEvent>> AnswerAsync(LlmEngine engine, int[] prompt)
    {
        var events = new List<TokenEvent>();
        using var generation = engine.Submit(new GenerationRequest
        {
            PromptTokens = prompt,
            MaxTokens = Answer,
            TopLogprobs = Likeliest,
            Sampling = new SamplingParameters { Temperature = 0 },
        });
        await foreach (var next in generation.Events.ReadAllAsync())
        {
            if (next.Token is null)
                throw new BenchException($"a request ended early: {next.Finish} {next.Error}");
            events.Add(next);
        }
        return events;
    }
}
