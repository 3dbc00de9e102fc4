using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiFabric.Pretraining.Corpus;

/// <summary>Cuts the Jargon File's glossary into entries for finetuning: one line of JSON each, <c>{"text": "headword: definition"}</c>.</summary>
internal static partial class JargonFile
{
    private const int ShortestText = 120, LongestText = 900;

    // Every third fitting entry gives about 200 kB; every tenth of those is for evaluation.
    private const int KeepEvery = 3, EvaluateEvery = 10;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes <c>jargon-train.jsonl</c> and <c>jargon-eval.jsonl</c>.</summary>
    public static (int Training, int Evaluation) Write(string source, string folder)
    {
        string[] chosen = [.. Entries(File.ReadLines(source)).Where(Fits).Where((_, i) => i % KeepEvery == 0)];
        string[] training = [.. chosen.Where((_, i) => i % EvaluateEvery != EvaluateEvery - 1)];
        string[] evaluation = [.. chosen.Where((_, i) => i % EvaluateEvery == EvaluateEvery - 1)];
        WriteLines(Path.Combine(folder, "jargon-train.jsonl"), training);
        WriteLines(Path.Combine(folder, "jargon-eval.jsonl"), evaluation);
        return (training.Length, evaluation.Length);
    }

    private static void WriteLines(string path, string[] texts) =>
        File.WriteAllText(path, string.Concat(texts.Select(text => JsonSerializer.Serialize(new { text }, Plain) + "\n")));

    private static bool Fits(string text) =>
        text.Length is >= ShortestText and <= LongestText && text.All(char.IsAscii) && !text.Contains("  ") && !Crude().IsMatch(text);

    private static IEnumerable<string> Entries(IEnumerable<string> lines)
    {
        var glossary = lines.SkipWhile(line => line != "Glossary").TakeWhile(line => !line.StartsWith("Appendix A", StringComparison.Ordinal));
        string? headword = null;
        var definition = new List<string>();
        foreach (string line in glossary.Append("   :end:"))
        {
            var start = Headword().Match(line);
            if (!start.Success)
            {
                definition.Add(line);
                continue;
            }
            if (headword is not null)
                yield return $"{headword}: {Definition(definition)}";
            headword = start.Groups[1].Value;
            definition.Clear();
        }
    }

    private static string Definition(List<string> lines)
    {
        string text = PlainText.Clean(lines).Replace("\n\n", " ", StringComparison.Ordinal);
        text = Remark().Replace(text, "");
        return text.Replace("{", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal).Trim();
    }

    [GeneratedRegex(@"^   :([A-Za-z][A-Za-z '-]{1,30}):")]
    private static partial Regex Headword();

    // "[common]", "[Usenet]", "[MIT]" and the like before a definition.
    [GeneratedRegex(@"\[[^\]]{0,120}\] ?")]
    private static partial Regex Remark();

    // The samples are read by everyone.
    [GeneratedRegex(@"fuck|shit|crap|\bass\b|asshole|piss|bitch|suck|sex|\bscrew|penis|damn|nazi|dick|wank|\bfart", RegexOptions.IgnoreCase)]
    private static partial Regex Crude();
}
