using System.Text;
using System.Text.RegularExpressions;

namespace AiFabric.Pretraining.Corpus;

/// <summary>Turns printed text into paragraphs of natural sentences: one line each, a blank line between them, plain punctuation.</summary>
internal static partial class PlainText
{
    /// <summary>Unwraps lines, drops headings and stage remarks, and unifies dashes, quotes and white space.</summary>
    public static string Clean(IEnumerable<string> lines)
    {
        var paragraphs = new List<string>();
        var current = new StringBuilder();
        foreach (string line in lines.Append(""))
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                current.Append(line).Append(' ');
                continue;
            }
            string paragraph = CleanParagraph(current.ToString());
            if (paragraph.Length > 0 && !Heading().IsMatch(paragraph))
                paragraphs.Add(paragraph);
            current.Clear();
        }
        return string.Join("\n\n", paragraphs);
    }

    private static string CleanParagraph(string text)
    {
        var plain = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            plain.Append(c switch
            {
                '\u2018' or '\u2019' => "'",
                '\u201c' or '\u201d' => "\"",
                '\u2010' or '\u2011' => "-",
                '\u2013' or '\u2014' => "--",
                '\u2022' or '_' or '\ufeff' => " ",
                _ => c.ToString(),
            });
        }
        string result = Remark().Replace(plain.ToString(), " ");
        result = Dash().Replace(result, "--");
        return Space().Replace(result, " ").Trim();
    }

    [GeneratedRegex(@"^(CHAPTER|Chapter|VOLUME|Volume|BOOK|Epilogue|EPILOGUE|THE END|FINIS|Finis|The End|\*)[^a-z]*( [A-Z][^.]*)?\.?( .{0,80})?$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"[\(\[][^\)\]]{0,40}([Aa]pplause|[Ll]aughter)[^\)\]]{0,40}[\)\]]")]
    private static partial Regex Remark();

    // A dash of any length, with or without spaces around it, stands close in these books; the speeches write it both ways.
    [GeneratedRegex(@" ?-{2,} ?")]
    private static partial Regex Dash();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
