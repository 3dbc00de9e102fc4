using System.Text.Json;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;

namespace AiFabric.Engine.Tests.Training;

/// <summary>Small jobs on made-up text whose next character always follows from the last two.</summary>
internal static class Recipes
{
    /// <summary>One token a character, from the letters and a few signs; no marks.</summary>
    public static SampleEncoder Encoder { get; } = new((parts, _) => [.. parts.Select(text => text.Select(c => c % TinyModel.Vocabulary).ToArray())], null, null);

    public static TrainingRecipe Make(TemporaryFolder folder) => new()
    {
        AdapterName = "test",
        DatasetPath = folder.File("data.jsonl"),
        Method = new LoraMethod { Rank = 8, Alpha = 16 },
        LearningRate = 5e-3,
        BatchSize = 4,
        SequenceLength = 33,
        Epochs = 100,
        MaxSteps = 6,
        Seed = 5,
        CheckpointFolder = folder.File("checkpoints"),
        CheckpointIntervalSteps = 2,
        OutputFolder = folder.File("adapter"),
        BaseModelName = "tiny",
    };

    /// <summary>Counts through the vocabulary from line to line with another start: every token is as frequent as any other.</summary>
    public static TrainingRecipe WithCountingText(this TrainingRecipe recipe, int lines = 40)
    {
        File.WriteAllLines(recipe.DatasetPath, Enumerable.Range(0, lines).Select(line => JsonSerializer.Serialize(new
        {
            text = new string([.. Enumerable.Range(0, 33).Select(i => (char)('@' + (((line * 11) + (i * 5)) % TinyModel.Vocabulary)))]),
        })));
        return recipe;
    }
}
