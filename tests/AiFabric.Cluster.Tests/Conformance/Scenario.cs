using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>One request of a scenario.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Method">An HTTP method; WATCH and TABLE are GETs read as a watch's events and as a table.</param>
/// <param name="ContentType">Of the body.</param>
/// <param name="Path">With variables in braces: <c>{ns}</c>, <c>{core}</c>, <c>{apps}</c>, <c>{fabric}</c> and saved ones.</param>
/// <param name="Body">JSON with variables, as <c>{{ns}}</c>; null for none.</param>
/// <param name="Show">Paths of the answer that are compared; empty compares all of it.</param>
/// <param name="Until">Repeat the request until this path has this value (<c>code</c> is the HTTP status).</param>
/// <param name="Saves">Variables to take from the answer: name, path.</param>
/// <param name="Managed">Whether managedFields are compared too.</param>
internal sealed record Step(
    int Number, string Method, string ContentType, string Path, string? Body, IReadOnlyList<string> Show, (string Path, string Value)? Until,
    IReadOnlyList<(string Name, string Path)> Saves, bool Managed);

/// <summary>
/// A list of requests whose answers must be the same on the local and on a real API server. Written in <c>Scenarios/*.txt</c>: <c>== name</c> begins one,
/// a line that starts with a method is a request, indented lines after it are its body or, after a <c>?</c>, say what of the answer counts.
/// </summary>
internal sealed record Scenario(string Name, IReadOnlyList<Step> Steps)
{
    private static readonly Dictionary<string, string> PatchTypes = new()
    {
        ["merge"] = "application/merge-patch+json",
        ["json"] = "application/json-patch+json",
        ["strategic"] = "application/strategic-merge-patch+json",
        ["apply"] = "application/apply-patch+yaml",
    };

    /// <summary>All of them, by name.</summary>
    public static IReadOnlyDictionary<string, Scenario> All { get; } = Directory
        .GetFiles(System.IO.Path.Combine(AppContext.BaseDirectory, "Conformance", "Scenarios"), "*.txt").Order(StringComparer.Ordinal)
        .SelectMany(file => Parse(File.ReadAllLines(file))).ToDictionary(scenario => scenario.Name);

    private static IEnumerable<Scenario> Parse(string[] lines)
    {
        string? name = null;
        var steps = new List<List<string>>();
        foreach (string line in lines.Where(line => line.Trim().Length > 0 && line[0] != '#').Append("== "))
        {
            if (line.StartsWith("== ", StringComparison.Ordinal))
            {
                if (name is not null)
                    yield return new Scenario(name, [.. steps.Select((step, index) => ParseStep(index + 1, step))]);
                (name, steps) = (line[3..].Trim(), []);
            }
            else if (line[0] == ' ')
            {
                steps[^1].Add(line.Trim());
            }
            else
            {
                steps.Add([line]);
            }
        }
    }

    private static Step ParseStep(int number, List<string> lines)
    {
        string[] words = lines[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string type = words.Length == 3 ? PatchTypes[words[1]] : "application/json";
        string body = string.Concat(lines.Skip(1).Where(line => line[0] != '?'));
        string[][] asked = [.. lines.Where(line => line[0] == '?').Select(line => line[1..].Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        string[] Said(string directive) => [.. asked.Where(words => words[0] == directive).SelectMany(words => words.Skip(1))];
        Assert.All(asked, words => Assert.Contains(words[0], (string[])["show", "until", "save", "managed"]));
        return new Step(
            number, words[0], type, words[^1], body.Length == 0 ? null : body, Said("show"),
            Said("until") is [var until] ? Pair(until) : null, [.. Said("save").Select(Pair)], asked.Any(words => words[0] == "managed"));
    }

    private static (string, string) Pair(string text) => text.Split('=', 2) is [var left, var right] ? (left, right) : throw new FormatException(text);
}
