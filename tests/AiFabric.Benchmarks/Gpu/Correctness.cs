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
/// <param name="PicksLikeliest">Whether the device itself picks the tokens that the host picks from its logits; judged in Float32.</param>
/// <param name="SameTokens">Share of greedy tokens that are the same, up to the first that differs in each answer.</param>
internal sealed record Correctness(string Shape, string Type, double LargestDifference, double Allowed, bool PicksLikeliest, double SameTokens)
{
    private const int Prompts = 12;
    private const int Answer = 24;
    private const int Likeliest = 20;

    public bool Holds => LargestDifference <= Allowed && PicksLikeliest;

    public static async Task<IReadOnlyList<Correctness>> MeasureAsync(ModelFiles model, GpuShape shape, string device)
    {
        int[][] prompts = [.. Enumerable.Range(0, Prompts).Select(i => Speed.Prompts.Random(i, 1 + (i * i), shape.Config.VocabularySize))];
        var (expected, _) = await AnswersAsync(model, "cpu", torch.ScalarType.Float32, prompts);
        var found = new List<Correctness>();
        foreach (var (type, allowed) in ((torch.ScalarType, double)[])[(torch.ScalarType.Float32, 1e-2), (torch.ScalarType.BFloat16, 0.5)])
        {
            var (actual, picked) = await AnswersAsync(model, device, type, prompts);
            (double difference, double same) = Compare(expected, actual);
            // Narrow numbers have equals, between which the number of rows in a product decides.
            bool picks = type != torch.ScalarType.Float32 || actual.Zip(picked).All(pair => pair.First.Select(next => next.Token).SequenceEqual(pair.Second.Select(next => next.Token)));
            found.Add(new Correctness(shape.Name, type.ToString(), difference, allowed, picks, same));
        }
        return found;
    }

    private static (double Difference, double Same) Compare(List<TokenEvent>[] expected, List<TokenEvent>[] actual)
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
        return (difference, (double)same / expected.Sum(events => events.Count));
    }

    // With the logits' likeliest, for which they come to the host; and without, where the device picks.
    private static async Task<(List<TokenEvent>[] Told, List<TokenEvent>[] Picked)> AnswersAsync(ModelFiles model, string device, torch.ScalarType type, int[][] prompts)
    {
        var options = new EngineOptions { ModelFolder = model.Folder, Device = device, Type = type };
        await using var engine = LlmEngine.Load(options, TimeProvider.System, NullLoggerFactory.Instance);
        return (
            await Task.WhenAll(prompts.Select(prompt => AnswerAsync(engine, prompt, Likeliest))),
            await Task.WhenAll(prompts.Select(prompt => AnswerAsync(engine, prompt, null))));
    }

    private static async Task<List<TokenEvent>> AnswerAsync(LlmEngine engine, int[] prompt, int? likeliest)
    {
        var events = new List<TokenEvent>();
        using var generation = engine.Submit(new GenerationRequest
        {
            PromptTokens = prompt,
            MaxTokens = Answer,
            TopLogprobs = likeliest,
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
