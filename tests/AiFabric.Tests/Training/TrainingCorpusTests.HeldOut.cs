using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed partial class TrainingCorpusTests
{
    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(2, 1, 1)]
    [InlineData(10, 9, 1)]
    [InlineData(40, 36, 4)]
    [InlineData(320, 288, 32)]
    [InlineData(1000, 968, 32)] // Evaluations read no more, and the others are trained on.
    public void A_tenth_is_held_out_and_32_at_most(int lines, int train, int heldOut)
    {
        TrainingCorpus corpus = Load(DatasetFormat.Text, [.. Enumerable.Range(0, lines).Select(i => $$"""{"text": "{{(char)('A' + (i % 26))}}x"}""")]);
        Assert.Equal((train, heldOut), (corpus.Train.Count, corpus.HeldOut.Count));
    }

    [Theory]
    [InlineData(0, 20, 0)]
    [InlineData(0.25, 15, 5)]
    [InlineData(0.01, 19, 1)]
    [InlineData(0.999, 1, 19)]
    public void What_is_held_out_is_a_fraction_that_the_seed_draws(double fraction, int train, int heldOut)
    {
        string[] lines = [.. Enumerable.Range(0, 20).Select(i => $$"""{"text": "{{(char)('A' + i)}}x"}""")];
        TrainingCorpus first = Load(Recipe(DatasetFormat.Text) with { EvalFraction = fraction }, Encoder, lines);
        TrainingCorpus again = Load(Recipe(DatasetFormat.Text) with { EvalFraction = fraction }, Encoder, lines);
        TrainingCorpus other = Load(Recipe(DatasetFormat.Text) with { EvalFraction = fraction, Seed = 7 }, Encoder, lines);
        Assert.Equal((train, heldOut), (first.Train.Count, first.HeldOut.Count));
        Assert.Equal(20, first.Train.Concat(first.HeldOut).Select(sample => sample.Inputs[1]).Distinct().Count());
        Assert.Equal(first.Digest, again.Digest);
        Assert.Equal(fraction == 0, first.Digest == other.Digest);
    }

    [Fact]
    public void Of_a_long_data_set_those_held_out_lie_all_over_it_and_the_others_are_trained_on()
    {
        TrainingCorpus corpus = Load(DatasetFormat.Text, Numbered(1000));
        int[] heldOut = [.. corpus.HeldOut.Select(Number)], train = [.. corpus.Train.Select(Number)];
        Assert.Equal(32, heldOut.Length);
        Assert.Equal([0, 1, 2, 3], heldOut.Select(number => number / 250).Distinct().Order()); // each quarter of the file
        Assert.Equal(Enumerable.Range(0, 1000), heldOut.Concat(train).Order());
        Assert.Equal(corpus.Digest, Load(DatasetFormat.Text, Numbered(1000)).Digest);
    }

    [Theory]
    [InlineData(20)]
    [InlineData(32)]
    [InlineData(1000)]
    public void Of_an_evaluation_file_the_seed_draws_32_at_most_and_the_data_set_is_trained_on_whole(int lines)
    {
        string evalPath = Path.Combine(folder, "eval.jsonl");
        File.WriteAllLines(evalPath, Numbered(lines));
        TrainingRecipe recipe = Recipe(DatasetFormat.Text) with { EvalPath = evalPath };
        TrainingCorpus first = Load(recipe, Encoder, Numbered(50)), again = Load(recipe, Encoder, Numbered(50)), other = Load(recipe with { Seed = 7 }, Encoder, Numbered(50));
        int[] heldOut = [.. first.HeldOut.Select(Number)];
        Assert.Equal(Enumerable.Range(0, 50), first.Train.Select(Number));
        Assert.Equal(Math.Min(lines, 32), heldOut.Distinct().Count());
        Assert.Equal([0, 1, 2, 3], heldOut.Select(number => number * 4 / lines).Distinct().Order()); // each quarter of the file
        Assert.Equal(first.Digest, again.Digest);
        Assert.Equal(lines <= 32, first.Digest == other.Digest);
    }
}
