using System.Text;
using System.Text.Json;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.Constraints.Expressions;
using AiFabric.Engine.Constraints.Json;
using AiFabric.Tests.Tokenization;
using Xunit;

namespace AiFabric.Tests.Constraints;

public sealed class MatcherTests
{
    private const string Tree =
        """{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"name":{"type":"string"},"next":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["name"]}}}""";

    // Two ways to be the same thing at every level: alternatives double with each, unless they share their callers.
    private const string Ambiguous =
        """{"$ref":"#/$defs/v","$defs":{"v":{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"},{"type":"null"}]},"a":{"type":"array","items":{"$ref":"#/$defs/v"}},"b":{"type":"array","items":{"$ref":"#/$defs/v"}}}}""";

    private static TokenConstraint Of(string schema) => new(JsonSchema.ToGrammar(JsonDocument.Parse(schema).RootElement), TestVocabulary.Trie);

    [Theory]
    [InlineData(Tree)]
    [InlineData(Ambiguous)]
    [InlineData("{}")]
    [InlineData("""{"type":"string","pattern":"^(é|世|[a-f]){2,5}$"}""")]
    [InlineData("""{"anyOf":[{"type":"number","minimum":-3.5,"maximum":120},{"enum":["name","names",null]}]}""")]
    public void The_mask_allows_exactly_the_tokens_that_the_matcher_takes(string schema)
    {
        var constraint = Of(schema);
        for (int seed = 0; seed < 12; seed++)
        {
            var random = new Random(seed);
            var matcher = constraint.Begin();
            for (int step = 0; step < 25; step++)
            {
                var allowed = TestVocabulary.Allowed(matcher);
                for (int token = 0; token < TestVocabulary.End; token++)
                {
                    bool takes = matcher.TryAdvance(token);
                    Assert.True(takes == allowed.Contains(token), $"seed {seed}, step {step}, token {token}: the matcher says {takes}");
                    matcher.CutTo(step);
                }
                Assert.Equal(matcher.IsComplete, allowed.Contains(TestVocabulary.End));
                int[] texts = [.. allowed.Where(t => t != TestVocabulary.End)];
                if (texts.Length == 0)
                    break;
                Assert.True(matcher.TryAdvance(texts[random.Next(texts.Length)]));
            }
        }
    }

    [Fact]
    public void Tokens_taken_back_leave_no_trace()
    {
        var constraint = Of(Tree);
        int[] first = [.. """{"name":"a","next":[{"name":"b"},{"name":""}]}"""u8.ToArray().Select(b => (int)b)];
        int[] second = [.. """{"name":"a","next":[{"name":"the","next":[]}]}"""u8.ToArray().Select(b => (int)b)];
        var matcher = constraint.Begin();

        Assert.True(matcher.Follow(first));
        Assert.True(matcher.IsComplete);
        Assert.True(matcher.Follow(second.AsSpan(0, 30)));
        Assert.False(matcher.IsComplete);
        Assert.False(matcher.TryAdvance('\n'));

        var fresh = constraint.Begin();
        Assert.True(fresh.Follow(second.AsSpan(0, 30)));
        Assert.Equal(TestVocabulary.Allowed(fresh), TestVocabulary.Allowed(matcher));
        Assert.True(matcher.Follow(second));
        Assert.Equal([TestVocabulary.End], TestVocabulary.Allowed(matcher));
        Assert.True(matcher.Follow([]));
        Assert.Equal(0, matcher.Count);
        Assert.Equal(TestVocabulary.Allowed(constraint.Begin()), TestVocabulary.Allowed(matcher));
    }

    [Fact]
    public void Tokens_that_do_not_fit_stop_the_matcher_before_them()
    {
        var matcher = Of(Tree).Begin();

        Assert.False(matcher.Follow([.. "{\"nope"u8.ToArray().Select(b => (int)b)]));

        Assert.Equal(3, matcher.Count);
        Assert.False(matcher.TryAdvance(TestVocabulary.End));
        Assert.False(matcher.TryAdvance(-1));
        Assert.False(matcher.TryAdvance(99_999));
    }

    [Fact]
    public void Ambiguous_alternatives_cost_no_more_with_depth()
    {
        var matcher = Of(Ambiguous).Begin();
        for (int depth = 0; depth < 2_000; depth++)
            Assert.True(matcher.TryAdvance('['));

        Assert.InRange(matcher.Places.Length, 1, 32);
        for (int depth = 0; depth < 2_000; depth++)
            Assert.True(matcher.TryAdvance(']'));
        Assert.True(matcher.IsComplete);
    }

    [Fact]
    public void Steps_allocate_nothing_once_the_states_are_known()
    {
        var constraint = Of("""{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}""");
        var logits = new float[TestVocabulary.Trie.VocabularySize];
        int[] answer = [.. Encoding.UTF8.GetBytes("{\"name\": \"the quick brown fox\"}").Select(b => (int)b)];
        var matcher = constraint.Begin();
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Run()
        {
            matcher.CutTo(0);
            foreach (int token in answer)
            {
                matcher.Mask(logits, TestVocabulary.Ends);
                matcher.TryAdvance(token);
            }
        }
    }

    [Fact]
    public void A_vocabulary_that_cannot_continue_says_so()
    {
        var constraint = new TokenConstraint(new Grammar(RegularExpression.Whole("ab")), new TokenTrie([[(byte)'a'], [(byte)'x'], null]));
        var matcher = constraint.Begin();
        Assert.True(matcher.TryAdvance(0));

        Assert.False(matcher.Mask(new float[3], [2]));
    }

    [Fact]
    public void Text_without_a_mark_goes_on_until_the_mark()
    {
        var grammar = new Grammar(Pattern.Sequence(Pattern.Without("<call>"), Pattern.Optional(Pattern.Text("<call>x"))));

        foreach (string text in (string[])["", "a", "<cal", "<<call", "<call>x", "a <<call>x"])
            Assert.True(TestVocabulary.Accepts(grammar, text), text);
        foreach (string text in (string[])["<call>", "a <call>y", "<call>x<call>x", "<call>xa"])
            Assert.False(TestVocabulary.Accepts(grammar, text), text);
    }

    [Fact]
    public void A_control_mark_comes_where_a_grammar_names_it_and_nowhere_else()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ChatTemplate, "[MARK]");
        const int mark = TinyTokenizer.Size;
        var marked = new TokenConstraint(new Grammar(Pattern.Sequence(Pattern.Text("a"), Pattern.ControlMark(mark), Pattern.AnyText)), TokenTrie.Of(tokenizer)).Begin();

        Assert.False(marked.TryAdvance(mark));
        Assert.True(marked.TryAdvance('a'));
        Assert.False(marked.TryAdvance('['));
        Assert.False(marked.TryAdvance(0xFF));
        var logits = new float[tokenizer.VocabularySize];
        Assert.True(marked.Mask(logits, [TinyTokenizer.End]));
        Assert.Equal([mark], Enumerable.Range(0, logits.Length).Where(id => !float.IsNegativeInfinity(logits[id])));
        Assert.True(marked.TryAdvance(mark));
        foreach (int other in (int[])[mark, TinyTokenizer.Turn, 0xFF])
            Assert.False(marked.TryAdvance(other));
        Assert.True(marked.TryAdvance('x'));

        foreach (var text in (Pattern[])[Pattern.Without("<call>"), JsonSchema.AnyObject().Root])
            Assert.False(new TokenConstraint(JsonSchema.AnyObject() with { Root = text }, TokenTrie.Of(tokenizer)).Begin().TryAdvance(mark));
    }
}
