using System.Text;

namespace AiFabric.Tests.Chart;

/// <summary>The values of a chart as a Markdown table: each <c># -- text</c> in values.yaml speaks of the key below it.</summary>
internal static class ValuesTable
{
    private const string Mark = "# -- ";

    public static string Of(string values)
    {
        var table = new StringBuilder("| value | default | meaning |\n|---|---|---|\n");
        var path = new List<(int Indent, string Key)>();
        string[] lines = values.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].TrimEnd(), text = line.TrimStart();
            if (text.Length == 0 || text[0] is '#' or '-' or '{')
                continue;
            int indent = line.Length - text.Length, colon = text.IndexOf(':', StringComparison.Ordinal);
            path.RemoveAll(part => part.Indent >= indent);
            path.Add((indent, text[..colon]));
            string above = i == 0 ? "" : lines[i - 1].Trim();
            if (!above.StartsWith(Mark, StringComparison.Ordinal))
                continue;
            string name = string.Join('.', path.Select(part => part.Key)), value = text[(colon + 1)..].Trim();
            table.Append("| `").Append(name).Append("` | ").Append(Default(value, lines, i, indent)).Append(" | ").Append(Cell(above[Mark.Length..])).Append(" |\n");
        }
        return table.ToString();
    }

    /// <summary>Keys that stand in values.yaml without a word about them: leaves that are no part of a described value.</summary>
    public static IReadOnlyList<string> Silent(string values)
    {
        var silent = new List<string>();
        int described = -1; // The indent of the described value that we are inside of.
        string[] lines = values.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].TrimEnd(), text = line.TrimStart();
            if (text.Length == 0 || text[0] == '#')
                continue;
            int indent = line.Length - text.Length;
            if (described >= 0 && indent > described)
                continue;
            described = i > 0 && lines[i - 1].Trim().StartsWith(Mark, StringComparison.Ordinal) ? indent : -1;
            if (described < 0 && !text.EndsWith(':'))
                silent.Add(text);
        }
        return silent;
    }

    private static string Default(string value, string[] lines, int at, int indent)
    {
        if (value is "" && at + 1 < lines.Length && lines[at + 1].Length - lines[at + 1].TrimStart().Length > indent)
            return "see values.yaml";
        return value is "" or "\"\"" or "null" ? "" : $"`{Cell(value)}`";
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
