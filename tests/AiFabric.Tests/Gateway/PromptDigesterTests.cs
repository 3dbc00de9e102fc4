using System.Text;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;
using Xunit;

namespace AiFabric.Tests.Gateway;

/// <summary>Names of prompts' beginnings.</summary>
public sealed class PromptDigesterTests
{
    private static RequestBody Body(string messages, string more = "") =>
        RequestBody.Parse(Encoding.UTF8.GetBytes($$"""{"model":"m","messages":{{messages}}{{more}}}""")).Body!;

    private static string Chat(params string[] turns) => "[" + string.Join(',', turns.Select(turn => $$"""{"role":"user","content":"{{turn}}"}""")) + "]";

    private static PromptPieces Digest(RequestBody body, string? tenant = "t", string model = "m") => PromptDigester.Digest(body, tenant, model)!;

    [Fact]
    public void A_longer_chat_has_the_names_of_the_shorter_up_to_where_they_differ()
    {
        string first = new('a', 900), second = new('b', 700);
        PromptPieces once = Digest(Body(Chat(first))), twice = Digest(Body(Chat(first, "answer", second)));
        Assert.Equal(7, once.Digests.Count); // 900 and 30 bytes around them.
        Assert.Equal(once.Digests, twice.Digests.Take(7));
        Assert.Equal(PromptPieces.CountIn(twice.Bytes), twice.Digests.Count);
        Assert.Equal(twice.Digests.Count, twice.Digests.Distinct().Count());

        PromptPieces other = Digest(Body(Chat(first[..400] + "x" + first[401..])));
        Assert.Equal(3, once.Digests.Zip(other.Digests).TakeWhile(pair => pair.First == pair.Second).Count()); // 27 + 400 is in the fourth piece.
        Assert.Equal(3, once.Digests.Intersect(other.Digests).Count()); // And nothing after it is equal again.
    }

    [Fact]
    public void Other_tenants_models_salts_and_tools_have_no_name_in_common()
    {
        string chat = Chat(new string('a', 2_000));
        PromptPieces[] prompts =
        [
            Digest(Body(chat)), Digest(Body(chat), tenant: "u"), Digest(Body(chat), tenant: null), Digest(Body(chat), model: "m:adapter"),
            Digest(Body(chat, ""","cache_salt":"s" """)), Digest(Body(chat, ""","tools":[{"type":"function"}]""")),
        ];
        Assert.Equal(prompts.Sum(prompt => prompt.Digests.Count), prompts.SelectMany(prompt => prompt.Digests).Distinct().Count());
        Assert.Equal(prompts[0].Digests, Digest(Body(chat, ""","temperature":0.5""")).Digests);
    }

    [Fact]
    public void A_prompt_that_is_too_short_has_no_names_and_a_body_without_one_no_prompt()
    {
        Assert.Empty(Digest(Body(Chat("short"))).Digests);
        Assert.Null(PromptDigester.Digest(RequestBody.Parse("""{"model":"m","input":"text"}"""u8.ToArray()).Body!, null, "m"));
    }

    [Fact]
    public void Ends_grow_by_an_eighth_and_reach_any_body()
    {
        Assert.Equal([128, 256, 384], Enumerable.Range(0, 3).Select(PromptPieces.EndOf));
        for (int i = 1; i < PromptPieces.MaxPieces; i++)
            Assert.InRange(PromptPieces.EndOf(i), PromptPieces.EndOf(i - 1) + 128, Math.Max(PromptPieces.EndOf(i - 1) + 128, (long)PromptPieces.EndOf(i - 1) * 9 / 8));
        Assert.True(PromptPieces.EndOf(PromptPieces.MaxPieces - 1) > 64 << 20);
        Assert.Equal([0, 1, 1, 2], ((int[])[127, 128, 255, 256]).Select(PromptPieces.CountIn));
    }

    [Fact]
    public void A_header_is_read_as_it_was_written()
    {
        PromptPieces prompt = Digest(Body(Chat(new string('a', 50_000))));
        Assert.True(PromptPieces.TryParse(prompt.ToHeader(), out PromptPieces? read));
        Assert.Equal(prompt.Bytes, read.Bytes);
        Assert.Equal(prompt.Digests, read.Digests);
        Assert.True(prompt.ToHeader().Length < 600, $"{prompt.ToHeader().Length} characters");
    }

    [Theory]
    [InlineData("")]
    [InlineData("128")]
    [InlineData("-1;")]
    [InlineData("128;!")]
    [InlineData("128;AAAA")] // Three bytes.
    [InlineData("127;AAAAAAAAAAA")] // A digest too many.
    [InlineData("256;AAAAAAAAAAA")] // One too few.
    public void A_header_that_is_none_is_told_apart(string header) => Assert.False(PromptPieces.TryParse(header, out _));
}
