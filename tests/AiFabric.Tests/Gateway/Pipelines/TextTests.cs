using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Pipelines.Text;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

public sealed class TextTests
{
    [Theory]
    [InlineData(CutKind.Sentence, "It is 3.5 m. \"Really?\" Yes!\nNo stop", new[] { "It is 3.5 m.", "\"Really?\"", "Yes!", "No stop" })]
    [InlineData(CutKind.Delimiter, "a;; b ;", new[] { "a", "b" })]
    [InlineData(CutKind.JsonElement, "Here: [\"a, [b\", {\"c\": [1, 2]}, \"d\\\"e\"] and [more]", new[] { "a, [b", "{\"c\": [1, 2]}", "d\"e" })]
    [InlineData(CutKind.JsonElement, "[1, 2", new[] { "1" })]
    public void Texts_are_cut_the_same_wherever_their_chunks_end(CutKind kind, string text, string[] parts) => Gen.Int[1, 7].Array[1, 60].Sample(sizes =>
    {
        ITextCutter cutter = new CutRule(kind, ";").NewCutter();
        var cut = new List<string>();
        for (int at = 0, i = 0; at < text.Length; i++)
        {
            int length = Math.Min(sizes[i % sizes.Length], text.Length - at);
            cut.AddRange(cutter.Add(text.Substring(at, length)));
            at += length;
        }
        cut.AddRange(cutter.End());
        Assert.Equal(parts, cut);
    });

    [Theory]
    [InlineData(FilterKind.StartsWith, "  YE", false, null)]
    [InlineData(FilterKind.StartsWith, " Yes, it", false, true)]
    [InlineData(FilterKind.StartsWith, "No", false, false)]
    [InlineData(FilterKind.StartsWith, "Y", true, false)]
    [InlineData(FilterKind.Contains, "maybe", false, null)]
    [InlineData(FilterKind.Contains, "oh yes", false, true)]
    [InlineData(FilterKind.Contains, "maybe", true, false)]
    public void Filters_decide_as_soon_as_no_more_text_could_change_it(FilterKind kind, string text, bool isWhole, bool? found)
    {
        Assert.Equal(found, new FilterRule(kind, "yes").Decide(text, isWhole));
        Assert.Equal(!found, new FilterRule(kind, "yes", Negate: true).Decide(text, isWhole));
    }

    [Fact]
    public void A_second_answer_that_differs_from_what_was_passed_on_is_noticed()
    {
        var text = new ItemText();
        Assert.Equal(("It was ", null), text.Add(0, "It was "));
        Assert.Equal(("", null), text.Add(9, "time"));
        Assert.Equal(("a time", null), text.Add(0, "It was a "));
        Assert.NotNull(text.Add(0, "It is").Problem);
        Assert.NotNull(text.Add(ItemText.MaxLength, "x").Problem);
    }

    [Fact]
    public void A_group_closes_once_whatever_comes_first()
    {
        var tree = new GroupTree();
        Assert.Equal([ItemPath.Of(0, 0)], tree.Settle(ItemPath.Of(0, 0)));
        Assert.Empty(tree.Expect(ItemPath.Root, 2));
        Assert.Equal([ItemPath.Of(0)], tree.Expect(ItemPath.Of(0), 1));
        Assert.Empty(tree.Settle(ItemPath.Of(0, 0)));
        Assert.Equal([ItemPath.Of(1), ItemPath.Root], tree.Expect(ItemPath.Of(1), 0));
        Assert.Empty(tree.Settle(ItemPath.Root));
    }
}
