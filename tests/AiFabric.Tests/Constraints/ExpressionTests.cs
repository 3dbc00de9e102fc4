using System.Text;
using System.Text.RegularExpressions;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.Constraints.Expressions;
using Xunit;

namespace AiFabric.Tests.Constraints;

public sealed class ExpressionTests
{
    [Theory]
    [InlineData("ab|c", "ab,c", "a,abc,,b")]
    [InlineData("a*b+c?", "b,aab,bbc", "a,ac,bcc")]
    [InlineData("(?:ab){2,3}", "abab,ababab", "ab,abababab")]
    [InlineData("a{2}", "aa", "a,aaa")]
    [InlineData("a{2,}", "aa,aaaaaa", "a")]
    [InlineData("[a-cx]+", "abcx", "d,")]
    [InlineData("[^a-c]", "d,é,世,😀", "a,b,dd")]
    [InlineData("\\d{3}-\\w+", "123-a_Z", "12-a,123-é")]
    [InlineData("\\s\\S", " a,\ta", "a ,  ")]
    [InlineData(".", "a,é,😀", "\n,,ab")]
    [InlineData("[\\]\\-\\\\]+", "]-\\", "[")]
    [InlineData("\\x41\\u0042\\u{43}", "ABC", "ABD")]
    [InlineData("\\uD83D\\uDE00", "😀", "x")]
    [InlineData("^a|b$", "a,b", "ab")]
    [InlineData("(?<year>\\d\\d)+?", "12,1234", "1")]
    [InlineData("[é-ü]", "é,ü", "a,ÿ")]
    public void Expressions_fit_what_they_say(string expression, string fitting, string others)
    {
        var grammar = new Grammar(RegularExpression.Whole(expression));
        Assert.All(fitting.Split(','), text => Assert.True(TestVocabulary.Accepts(grammar, text), text));
        Assert.All(others.Split(','), text => Assert.False(TestVocabulary.Accepts(grammar, text), text));
    }

    [Theory]
    [InlineData("(", "without its ')'")]
    [InlineData("a)", "without its '('")]
    [InlineData("[a", "without its ']'")]
    [InlineData("*a", "nothing before it")]
    [InlineData("a**", "after another repetition")]
    [InlineData("a{2,1}", "end is below its start")]
    [InlineData("a{x}", "begins no count")]
    [InlineData("(?=a)", "looks around")]
    [InlineData("(?<=a)b", "looks around")]
    [InlineData("a\\1", "not supported")]
    [InlineData("\\bword", "not supported")]
    [InlineData("\\p{L}", "not supported")]
    [InlineData("a^b", "only at the ends")]
    [InlineData("[z-a]", "end is below its start")]
    [InlineData("\\ud800", "no character")]
    [InlineData("a\\", "ends in")]
    public void What_no_automaton_can_tell_is_refused_with_its_place(string expression, string cause)
    {
        var refused = Assert.Throws<GrammarException>(() => RegularExpression.Whole(expression, "regex"));
        Assert.Contains(cause, refused.Message, StringComparison.Ordinal);
        Assert.Contains("character", refused.Message, StringComparison.Ordinal);
        Assert.Equal("regex", refused.Path);
    }

    [Theory]
    [InlineData("(?:a{1000}){1000}")]
    [InlineData("(?:a{0,5000}b{0,5000}){0,100}")]
    [InlineData("(?:a|b)*a(?:a|b){30}")]
    public void Expressions_that_would_take_all_memory_are_refused(string expression) =>
        Assert.Contains("too large", Assert.Throws<GrammarException>(
            () => new TokenConstraint(new Grammar(RegularExpression.Whole(expression)), TestVocabulary.Trie)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("[A-Z]{3}-[0-9]{4}(?:\\.[0-9]+)?")]
    [InlineData("(?:cat|dog|é+)(?: (?:cat|dog))*")]
    [InlineData("[^\\W\\d]{2,8}@[a-z]+\\.(?:com|org)")]
    [InlineData("\\(\\d{3}\\) \\d{3}-\\d{4}")]
    public void Whatever_is_drawn_fits_the_expression_of_another_engine(string expression)
    {
        var constraint = new TokenConstraint(new Grammar(RegularExpression.Whole(expression)), TestVocabulary.Trie);
        var judge = new Regex($"^(?:{expression})\\z", RegexOptions.CultureInvariant);
        int ended = 0;
        for (int seed = 0; seed < 50; seed++)
        {
            var (bytes, whole) = TestVocabulary.Draw(constraint, new Random(seed), patience: 10, limit: 60);
            if (!whole)
                continue;
            ended++;
            Assert.Matches(judge, new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes));
        }
        Assert.True(ended > 5, $"{ended} ended"); // Most that may go on for long are cut off.
    }
}
