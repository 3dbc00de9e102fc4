using AiFabric.Worker.Streaming;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Worker;

public sealed class StopScannerTests
{
    private static readonly Gen<string> Word = Gen.Char['a', 'c'].Array[1, 4].Select(c => new string(c));

    [Fact]
    public void Scanner_gives_out_the_text_before_the_first_stop_string_that_counts_however_it_is_cut() =>
        Gen.Select(Word.Array[0, 3], Word.List[0, 10], Gen.Int[0, 4]).Sample((stops, pieces, free) =>
        {
            string text = string.Concat(pieces);
            int from = pieces.Take(free).Sum(piece => piece.Length);
            var scanner = new StopScanner(stops);
            string given = "";
            for (int i = 0; i < pieces.Count; i++)
            {
                given += scanner.Append(pieces[i], mayStop: i >= free);
                Assert.StartsWith(given, text, StringComparison.Ordinal);
                Assert.Equal(-1, FirstCut(given, stops, from));
            }
            if (!scanner.Stopped)
                given += scanner.Flush();
            int cut = FirstCut(text, stops, from);
            Assert.Equal(cut < 0 ? text : text[..cut], given);
            Assert.Equal(cut >= 0, scanner.Stopped);
            Assert.Equal(given.Length, scanner.GivenOut);
        });

    [Fact]
    public void Scanner_holds_back_no_more_than_it_must()
    {
        var scanner = new StopScanner(["STOP"]);
        Assert.Equal("a", scanner.Append("aST"));
        Assert.Equal("STx", scanner.Append("x"));
        Assert.Equal("", scanner.Append("STOP and more"));
        Assert.Equal("", scanner.Append("ignored"));
    }

    // Character by character from a place on: the stop string that is complete first cuts, the longest of several.
    private static int FirstCut(string text, string[] stops, int from)
    {
        for (int end = from + 1; end <= text.Length; end++)
        {
            string[] complete = [.. stops.Where(s => text[..end].EndsWith(s, StringComparison.Ordinal))];
            if (complete.Length > 0)
                return end - complete.Max(s => s.Length);
        }
        return -1;
    }
}
