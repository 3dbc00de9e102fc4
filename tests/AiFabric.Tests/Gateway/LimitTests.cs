using System.Text;
using AiFabric.Gateway.Limits;
using k8s.Models;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Gateway;

/// <summary>Budgets of tenants.</summary>
public sealed class LimitTests
{
    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    [Fact]
    public void A_bucket_refills_steadily_and_holds_one_minutes_worth()
    {
        var bucket = new TokenBucket(600, At(10));
        bucket.Spend(600, At(10));
        Assert.False(bucket.Has(1, At(10)));
        Assert.Equal(10, bucket.LevelAt(At(11)), 9);
        Assert.Equal(At(4), bucket.Until(50, At(11)));
        Assert.True(bucket.Has(50, At(15)));
        Assert.Equal(600, bucket.LevelAt(At(1_000)), 9);
        Assert.Equal(600, bucket.LevelAt(At(5)), 9); // A clock that goes back changes nothing.
    }

    [Fact]
    public void What_a_bucket_never_holds_can_be_spent_when_it_is_full_and_leaves_it_in_debt()
    {
        var bucket = new TokenBucket(60, At(0));
        Assert.True(bucket.Has(1_000, At(0)));
        bucket.Spend(1_000, At(0));
        Assert.False(bucket.Has(1, At(900)));
        Assert.Equal(At(41), bucket.Until(1, At(900)));
        bucket.Spend(-40, At(900)); // Given back: it was an estimate.
        Assert.Equal(0, bucket.LevelAt(At(900)), 9);
    }

    [Fact]
    public void Nobody_spends_more_than_a_minutes_worth_beyond_what_refills()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var budget = new TenantBudget(new TenantLimits(random.Next(1, 200), null), TimeSpan.Zero);
            double seconds = 0;
            int taken = 0;
            for (int i = 0; i < 2_000; i++)
            {
                seconds += random.NextDouble();
                taken += budget.TryTake(0, At(seconds)) is null ? 1 : 0;
                Assert.True(taken <= budget.Limits.RequestsPerMinute * (1 + (seconds / 60)) + 1e-6, $"seed {seed}");
            }
            Assert.True(taken >= Math.Min(2_000, budget.Limits.RequestsPerMinute!.Value * seconds / 60) - 1, $"seed {seed}: {taken}"); // Set above.
        }
    }

    [Fact]
    public void A_refusal_says_which_budget_and_how_long_and_spends_nothing()
    {
        var budget = new TenantBudget(new TenantLimits(2, 100), At(0));
        Assert.Null(budget.TryTake(80, At(0)));
        Assert.Equal(new LimitRefusal("tokens", 100, At(18)), budget.TryTake(50, At(0)));
        Assert.Null(budget.TryTake(20, At(0)));
        Assert.Equal(new LimitRefusal("requests", 2, At(30)), budget.TryTake(1, At(0)));
        budget.Spend(60, At(0)); // What the answers had.
        Assert.Equal(new LimitRefusal("tokens", 100, At(6.6)), budget.TryTake(1, At(30)));

        (LimitState? requests, LimitState? tokens) = budget.Read(At(30));
        Assert.Equal(new LimitState(2, 1, At(30)), requests);
        Assert.Equal(new LimitState(100, 0, At(66)), tokens);
    }

    [Fact]
    public void An_answer_corrects_what_was_estimated()
    {
        var time = new FakeTimeProvider();
        var budget = new TenantBudget(new TenantLimits(null, 1_000), time.GetElapsedTime(0));
        Assert.Null(budget.TryTake(100, time.GetElapsedTime(0)));
        var spending = new Spending(budget, 100, time);
        spending.CountEvents("data: {}\n\ndata: {}\n\n"u8);
        spending.CountEvents("data: {}\n\n"u8);
        Assert.Equal(897, budget.Read(time.GetElapsedTime(0)).Tokens!.Value.Remaining); // Limited.
        spending.CountEvents("""data: {"choices":[],"usage":{"prompt_tokens":70,"completion_tokens":5,"total_tokens":75}}"""u8);
        Assert.Equal(925, budget.Read(time.GetElapsedTime(0)).Tokens!.Value.Remaining);
        spending.Settle(75);
        Assert.Equal(925, budget.Read(time.GetElapsedTime(0)).Tokens!.Value.Remaining);
    }

    [Theory]
    [InlineData("""{"usage":{"prompt_tokens":3,"details":{"total_tokens":9},"total_tokens":7}}""", 7L)]
    [InlineData("""cut":1},"usage":{"total_tokens":7},"more":[]}""", 7L)]
    [InlineData("""{"content":"\"usage\":{\"total_tokens\":7}"}""", null)]
    [InlineData("""{"usage":null}""", null)]
    [InlineData("""{"usage":{"total_tokens":"7"}}""", null)]
    [InlineData("""{"usage":{"total""", null)]
    [InlineData("", null)]
    public void Usage_is_found_in_the_end_of_an_answer(string json, long? total) => Assert.Equal(total, UsageReader.TotalTokens(Encoding.UTF8.GetBytes(json)));

    [Fact]
    public async Task The_end_of_an_answer_is_kept_whatever_the_pieces()
    {
        for (int size = 1; size < 5_000; size = (size * 2) + 1)
        {
            byte[] text = [.. Enumerable.Range(0, 9_000).Select(i => (byte)(i % 251))];
            using var passed = new MemoryStream();
            await using var tail = new TailStream(passed);
            for (int at = 0; at < text.Length; at += size)
                await tail.WriteAsync(text.AsMemory(at, Math.Min(size, text.Length - at)), TestContext.Current.CancellationToken);
            Assert.Equal(text, passed.ToArray());
            Assert.Equal(text[^2_048..], tail.Tail.ToArray());
        }
    }

    [Theory]
    [InlineData("60", "100000", 60L, 100_000L, null)]
    [InlineData(null, "5", 7L, 5L, null)]
    [InlineData("many", null, 7L, null, "aifabric.io/requests-per-minute of Secret default/keys is 'many'")]
    [InlineData("0", "5", 7L, 5L, "is '0': write a whole number from 1")]
    [InlineData("60", "-5", 60L, null, "aifabric.io/tokens-per-minute")]
    public void A_Secrets_annotations_set_the_limits_of_its_keys(string? requests, string? tokens, long? requestLimit, long? tokenLimit, string? problem)
    {
        var annotations = new Dictionary<string, string>();
        if (requests is not null)
            annotations[TenantLimits.RequestsAnnotation] = requests;
        if (tokens is not null)
            annotations[TenantLimits.TokensAnnotation] = tokens;
        var secret = new V1Secret { Metadata = new V1ObjectMeta { Name = "keys", NamespaceProperty = "default", Annotations = annotations } };
        (TenantLimits limits, string? said) = TenantLimits.Read(secret, new TenantLimits(7, null));
        Assert.Equal(new TenantLimits(requestLimit, tokenLimit), limits);
        Assert.Equal(problem is not null, said is not null);
        Assert.Contains(problem ?? "", said ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void Replicas_divide_limits()
    {
        Assert.Equal(new TenantLimits(33, 1), new TenantLimits(100, 2).Divide(3));
        Assert.Equal(TenantLimits.None, TenantLimits.None.Divide(3));
    }

    [Theory]
    [InlineData(0.0004, "1ms")]
    [InlineData(0.12, "120ms")]
    [InlineData(1.5, "1.5s")]
    [InlineData(60, "1m0s")]
    [InlineData(3_725.4, "62m5s")]
    public void Times_are_written_as_OpenAI_does(double seconds, string text) => Assert.Equal(text, LimitHeaders.Duration(At(seconds)));
}
