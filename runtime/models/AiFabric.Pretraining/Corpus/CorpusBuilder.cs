using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiFabric.Pretraining.Corpus;

/// <summary>One address or chapter.</summary>
/// <param name="Source">The work it is from.</param>
/// <param name="Title">Its name within the work.</param>
/// <param name="Text">Paragraphs with blank lines between them.</param>
internal sealed record CorpusDocument(string Source, string Title, string Text);

/// <summary>Reads the fetched sources, cleans them and splits whole documents into a training and a held-out part.</summary>
internal static partial class CorpusBuilder
{
    public const string TrainingFile = "train.jsonl";
    public const string HeldOutFile = "heldout.jsonl";

    // Every 25th document of a work, from the 13th on: about 4 %, spread over each author and over the centuries.
    private const int HeldOutEvery = 25;
    private const int HeldOutFirst = 12;

    /// <summary>Writes <c>train.jsonl</c> and <c>heldout.jsonl</c> beside the folder <c>raw</c>.</summary>
    public static (long TrainingBytes, long HeldOutBytes) Build(string folder)
    {
        string raw = Path.Combine(folder, "raw");
        CorpusDocument[][] works = [ReadAddresses(Path.Combine(raw, "sotu")), ReadMobyDick(Path.Combine(raw, "moby-dick")), .. ReadAusten(Path.Combine(raw, "austen"))];
        var training = new List<CorpusDocument>();
        var heldOut = new List<CorpusDocument>();
        foreach (var work in works)
        {
            for (int i = 0; i < work.Length; i++)
                (i % HeldOutEvery == HeldOutFirst ? heldOut : training).Add(work[i]);
        }
        return (Write(Path.Combine(folder, TrainingFile), training), Write(Path.Combine(folder, HeldOutFile), heldOut));
    }

    public static IReadOnlyList<CorpusDocument> Read(string path) =>
        [.. File.ReadLines(path).Select(line => JsonSerializer.Deserialize<CorpusDocument>(line) ?? throw new InvalidDataException($"{path}: an empty line."))];

    private static long Write(string path, List<CorpusDocument> documents)
    {
        File.WriteAllLines(path, documents.Select(d => JsonSerializer.Serialize(d)));
        return documents.Sum(d => (long)System.Text.Encoding.UTF8.GetByteCount(d.Text));
    }

    private static CorpusDocument[] ReadAddresses(string folder) =>
        [.. Directory.GetFiles(folder, "*.txt").Order(StringComparer.Ordinal)
            .Select(file => new CorpusDocument("State of the Union", Path.GetFileNameWithoutExtension(file), PlainText.Clean(File.ReadLines(file))))];

    private static CorpusDocument[] ReadMobyDick(string folder) =>
        [.. Directory.GetFiles(folder, "*.txt")
            .OrderBy(file => int.TryParse(Digits().Match(Path.GetFileName(file)).Value, out int chapter) ? chapter : int.MaxValue)
            .Select(file => new CorpusDocument("Moby-Dick", Path.GetFileNameWithoutExtension(file), PlainText.Clean(File.ReadLines(file))))];

    private static IEnumerable<CorpusDocument[]> ReadAusten(string folder)
    {
        foreach (var (name, lines) in RDatabase.ReadTexts(folder))
        {
            var chapters = new List<List<string>>();
            foreach (string line in lines)
            {
                if (ChapterLine().IsMatch(line))
                    chapters.Add([]);
                else if (chapters.Count > 0 && !BookLine().IsMatch(line)) // What stands before the first chapter is the title page.
                    chapters[^1].Add(line);
            }
            yield return [.. chapters.Select((chapter, i) => new CorpusDocument(name, $"chapter {i + 1}", PlainText.Clean(chapter))).Where(d => d.Text.Length > 500)];
        }
    }

    [GeneratedRegex(@"\d+")]
    private static partial Regex Digits();

    [GeneratedRegex(@"^\s*(CHAPTER|Chapter) [\dIVXLC]+\.?\s*$")]
    private static partial Regex ChapterLine();

    [GeneratedRegex(@"^\s*(VOLUME|Volume|END OF|THE END|FINIS|Finis)\b.*$")]
    private static partial Regex BookLine();
}
