using System.Text;
using AiFabric.Worker.Tools;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Worker;

/// <summary>What of an answer is text and what is calls, however it comes.</summary>
public sealed class ToolCallReaderTests
{
    private const string Call = """<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>""";

    // Style, text, what of it is text, and its calls: name, arguments.
    public static TheoryData<string, string, string, string[]> Answers => new()
    {
        { "Tagged", "Hello there.", "Hello there.", [] },
        { "Tagged", "", "", [] },
        { "Tagged", " \n", " \n", [] },
        { "Tagged", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", "", ["f", "{\"a\": 1}"] },
        { "Tagged", "I look.\n\n" + Call + "\n", "I look.", ["f", "{\"a\": 1}"] },
        { "Tagged", Call + "\n" + Call + " Done. ", "Done. ", ["f", "{\"a\": 1}", "f", "{\"a\": 1}"] },
        { "Tagged", "a " + Call + " b " + Call, "ab", ["f", "{\"a\": 1}", "f", "{\"a\": 1}"] },
        { "Tagged", "<tool_call>{\"arguments\": {\"s\": \"}</tool_call>\\\"{\"}, \"name\": \"g\", \"id\": 7}</tool_call>", "", ["g", "{\"s\": \"}</tool_call>\\\"{\"}"] },
        { "Tagged", "<tool_call>{\"id\": [1, {\"name\": \"x\"}], \"x\": -1.5e3, \"y\": null, \"name\": \"g\"}</tool_call>", "", ["g", "{}"] },
        { "Tagged", "<tool_call>{\"name\": \"f\", \"parameters\": {}}", "", ["f", "{}"] },
        { "Tagged", "<tool_call>{\"name\": \"f\", \"arguments\": {}\n</tool_call>", "", ["f", "{}"] },
        { "Tagged", "<tool_call>{\"name\": \"f\", \"arguments\": {}}}}\n</tool_call>\nok", "ok", ["f", "{}"] },
        { "Tagged", "<tool_call>{\"name\": \"f\", \"arguments\": {}}<tool_call>{\"name\": \"g\", \"arguments\": {}}", "", ["f", "{}", "g", "{}"] },
        { "Tagged", "<tool_call>{\"name\": \"f\", \"arguments\": {}} and more", " and more", ["f", "{}"] },
        { "Tagged", "<tool_call>{\"name\": \"h\", \"arguments\": {}}</tool_call>", "<tool_call>{\"name\": \"h\", \"arguments\": {}}</tool_call>", [] },
        { "Tagged", "<tool_call>f(1)</tool_call>", "<tool_call>f(1)</tool_call>", [] },
        { "Tagged", "<tool_call>{\"name\": \"f\", \"arguments\": \"{}\"}", "<tool_call>{\"name\": \"f\", \"arguments\": \"{}\"}", [] },
        { "Tagged", "<tool_call>{\"name\": 5}" + Call, "<tool_call>{\"name\": 5}", ["f", "{\"a\": 1}"] },
        { "Tagged", "<tool_call>\n<tool_call>{\"name\": \"f\"}</tool_call>", "<tool_call>\n", ["f", "{}"] },
        { "Tagged", "a <tool <tool_calls> </tool_call> <", "a <tool <tool_calls> </tool_call> <", [] },
        { "Tagged", "<<tool_call>{\"name\": \"f\"}</tool_call>", "<", ["f", "{}"] },
        { "Tagged", "<tool_call>{\"name\": \"f\", \"arguments\": {\"é\": \"世😀\"", "", ["f", "{\"é\": \"世😀\""] },
        { "Tagged", "<tool_call>{\"name\": \"f", "<tool_call>{\"name\": \"f", [] },
        { "Tagged", "<tool_call>{\"name\": \"f\"}</tool", "", ["f", "{}"] },
        { "Bare", "{\"name\": \"f\", \"parameters\": {\"a\": [1, 2]}}", "", ["f", "{\"a\": [1, 2]}"] },
        { "Bare", "\n {\"name\": \"f\", \"parameters\": {}}\n", "", ["f", "{}"] },
        { "Bare", "{\"answer\": 42, \"of\": {\"name\": \"f\"}} yes", "{\"answer\": 42, \"of\": {\"name\": \"f\"}} yes", [] },
        { "Bare", " Look: {\"name\": \"f\", \"parameters\": {}}", " Look: {\"name\": \"f\", \"parameters\": {}}", [] },
        { "Bare", "{\"name\": \"h\", \"parameters\": {}}", "{\"name\": \"h\", \"parameters\": {}}", [] },
        { "Bare", "{\"na", "{\"na", [] },
        { "Listed", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"]\"}}]", "", ["f", "{\"a\": \"]\"}"] },
        { "Listed", "So: [TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}, \"id\": \"x\"}, {\"name\": \"g\", \"arguments\": {}}] end", "So:end", ["f", "{}", "g", "{}"] },
        { "Listed", "[TOOL_CALLS] none", "[TOOL_CALLS] none", [] },
        { "Listed", "[TOOL_CALLS][]", "[TOOL_CALLS][]", [] },
        { "Listed", "[1, 2] [TOOL", "[1, 2] [TOOL", [] },
        { "Listed", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}} ; x", " ; x", ["f", "{}"] },
    };

    private static ToolCallReader Reader(string style, bool single = false)
    {
        var format = new ToolFormat { Style = Enum.Parse<ToolStyle>(style), ArgumentsKey = "arguments" };
        return new ToolCallReader(format, ["f", "g"], single || format.Style == ToolStyle.Bare, call => $"id{call}");
    }

    /// <summary>All that a reader gives out of an answer in pieces, put together: text; id, name and arguments of each call.</summary>
    private static string Read(ToolCallReader reader, IEnumerable<string> answer)
    {
        var text = new StringBuilder();
        var calls = new List<(string Id, string Name, StringBuilder Arguments)>();
        foreach (var piece in answer.Select(reader.Append).ToList().Append(reader.Flush()))
        {
            text.Append(piece.Text);
            foreach (var call in piece.Calls)
            {
                Assert.Equal(call.Id is null, call.Name is null);
                if (call.Id is not null)
                    calls.Add((call.Id, call.Name!, new StringBuilder())); // As its id.
                Assert.Equal(calls.Count - 1, call.Index);
                calls[^1].Arguments.Append(call.Arguments);
            }
        }
        return string.Join('|', [text.ToString(), .. calls.Select(c => $"{c.Id} {c.Name} {c.Arguments}")]);
    }

    [Theory]
    [MemberData(nameof(Answers))]
    public void Text_and_calls_are_told_apart_wherever_the_text_is_cut(string style, string answer, string text, string[] calls)
    {
        string expected = string.Join('|', [text, .. calls.Chunk(2).Select((call, i) => $"id{i} {call[0]} {call[1]}")]);

        Assert.Equal(expected, Read(Reader(style), [answer]));
        Assert.Equal(expected, Read(Reader(style), answer.Select(c => c.ToString())));
        for (int cut = 0; cut <= answer.Length; cut++)
            Assert.Equal(expected, Read(Reader(style), [answer[..cut], answer[cut..]]));
    }

    [Fact]
    public void Any_text_is_read_the_same_however_it_is_cut_and_none_is_lost_without_a_call()
    {
        string[] parts =
        [
            "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "{\"name\": \"f\", \"arguments\": ", "{\"name\": \"h\"", "\"name\": \"g\"", "{", "}", "[", "]", ",", "\"", "\\", " ", "\n", "a", "<", "{}", ": ", "7",
        ];
        var answers = Gen.Int[0, parts.Length - 1].Array[0, 20].Select(picks => string.Concat(picks.Select(i => parts[i])));
        Gen.Select(Gen.Enum<ToolStyle>(), answers, Gen.Int[1, 9].Array[1, 60], Gen.Bool).Sample((style, answer, lengths, single) =>
        {
            var pieces = new List<string>();
            for (int at = 0, i = 0; at < answer.Length; at += lengths[i++ % lengths.Length])
                pieces.Add(answer.Substring(at, Math.Min(lengths[i % lengths.Length], answer.Length - at)));
            string whole = Read(Reader(style.ToString(), single), [answer]);
            Assert.Equal(whole, Read(Reader(style.ToString(), single), pieces));
            if (!whole.Contains("|id", StringComparison.Ordinal))
                Assert.Equal(answer, whole);
        });
    }

    [Fact]
    public void Text_and_arguments_are_given_out_as_soon_as_they_are_known()
    {
        var reader = Reader("Tagged");
        Assert.Equal("Wait", reader.Append("Wait \n<tool").Text);
        Assert.Equal("", reader.Append("_call>\n{\"name\": \"f\", \"arguments\": ").Text);
        var opening = Assert.Single(reader.Append("{\"a\"").Calls);
        Assert.Equal(new CallPiece(0, "id0", "f", "{\"a\""), opening);
        Assert.False(reader.IsComplete);
        Assert.Equal(new CallPiece(0, null, null, ": 1"), Assert.Single(reader.Append(": 1").Calls));
        Assert.Equal(new CallPiece(0, null, null, "}"), Assert.Single(reader.Append("}}").Calls));
        Assert.True(reader.IsComplete);
        Assert.False(reader.IsOver);
    }

    [Theory]
    [InlineData("Tagged", "<tool_call>{\"name\": \"f\"}\n</tool_call>\n", "\n", "<")]
    [InlineData("Tagged", "<tool_call>{\"name\": \"f\"}", "</tool", "!")]
    [InlineData("Tagged", "<tool_call>{\"name\": \"f\"}", " ", "<tool_call>")]
    [InlineData("Listed", "[TOOL_CALLS][{\"name\": \"f\"}", " ", ",")]
    [InlineData("Listed", "[TOOL_CALLS][{\"name\": \"f\"}", "]", "a")]
    [InlineData("Bare", "{\"name\": \"f\"}", "\n", ";")]
    public void An_answer_with_one_call_is_over_when_it_goes_on(string style, string call, string space, string more)
    {
        var reader = Reader(style, single: true);
        reader.Append(call);
        reader.Append(space);
        Assert.True(reader.IsComplete);
        Assert.False(reader.IsOver);
        Assert.Equal("", reader.Append(more + " and {} more").Text);
        Assert.True(reader.IsOver);
        Assert.Equal("", reader.Flush().Text);
    }
}
