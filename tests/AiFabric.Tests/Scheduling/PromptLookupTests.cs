using AiFabric.Engine.Scheduling;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed class PromptLookupTests
{
    [Theory]
    [InlineData(new[] { 1, 2, 3, 1, 2 }, 2)] // what followed [1, 2] before
    [InlineData(new[] { 1, 2, 3, 1, 2, 4, 1, 2 }, 5)] // the latest of equals
    [InlineData(new[] { 5, 1, 2, 3, 9, 1, 2, 4, 5, 1, 2 }, 3)] // a longer agreement before a later one
    [InlineData(new[] { 7, 7, 7 }, 2)] // overlapping itself
    [InlineData(new[] { 1, 2, 3, 4 }, -1)]
    [InlineData(new[] { 1, 1 }, -1)] // two tokens are too few to have occurred before
    [InlineData(new[] { 3, 2, 1, 2 }, -1)]
    public void It_finds_the_longest_then_the_latest_earlier_occurrence(int[] tokens, int place) =>
        Assert.Equal(place, new PromptLookup(2, 4, tokens.Length).Find(tokens));

    [Fact]
    public void It_finds_what_a_search_of_everything_finds_while_the_sequence_grows()
    {
        var scenario = Gen.Select(Gen.Int[1, 3], Gen.Int[0, 3], Gen.Int[0, 4], Gen.Int[0, 12].Array[1, 40]);
        scenario.Sample((shortest, more, capacity, tokens) =>
        {
            var lookup = new PromptLookup(shortest, shortest + more, capacity);
            for (int count = 1; count <= tokens.Length; count++)
            {
                if (count % 3 > 0) // Several tokens may come between two questions.
                    Assert.Equal(Search(tokens.AsSpan(0, count), shortest, shortest + more), lookup.Find(tokens.AsSpan(0, count)));
            }
        }, iter: 2_000);
    }

    [Fact]
    public void A_question_takes_bounded_time_in_a_long_repetition()
    {
        // Ten thousand places end like the newest tokens; the best of them is the first, which is too far to be looked at.
        int[] tokens = [-8, -9, 1, 1, .. Enumerable.Range(0, 30_000).Select(i => i % 3 == 0 ? 100 + i : 1), -8, -9, 1, 1];

        Assert.InRange(new PromptLookup(2, 16, tokens.Length).Find(tokens), tokens.Length - (3 * 17), tokens.Length);
    }

    [Fact]
    public void Acceptance_follows_the_guesses_and_recovers_from_bad_luck()
    {
        var lookup = new PromptLookup(1, 1, 4);
        double start = lookup.Acceptance;
        for (int i = 0; i < 200; i++)
            lookup.Learn(guessed: 4, accepted: 4);
        Assert.Equal(1, lookup.Acceptance, 0.001);
        for (int i = 0; i < 400; i++)
            lookup.Learn(guessed: 4, accepted: i % 2); // One right token for two wrong ones.
        Assert.Equal(1 / 3.0, lookup.Acceptance, 0.05);
        for (int i = 0; i < 400; i++)
            lookup.Rest();
        Assert.Equal(start, lookup.Acceptance, 0.001);
    }

    private static int Search(ReadOnlySpan<int> tokens, int shortest, int longest)
    {
        int best = -1, agreed = shortest - 1;
        for (int place = tokens.Length - 1; place > 0; place--)
        {
            int length = 0;
            while (length < Math.Min(longest, place) && tokens[place - 1 - length] == tokens[tokens.Length - 1 - length])
                length++;
            if (length > agreed)
                (best, agreed) = (place, length);
        }
        return best;
    }
}
