using System.Text.Json.Nodes;

namespace AiFabric.Benchmarks.Speed;

/// <summary>A tokenizer for every token of a larger vocabulary: a worker cannot answer with a token that has no text.</summary>
internal static class LargeTokenizer
{
    private const int Partners = 60; // Of each token, where that is enough.

    /// <summary>Adds merges of pairs of ASCII tokens until there are enough.</summary>
    /// <param name="path">A byte-level <c>tokenizer.json</c>.</param>
    /// <param name="tokens">Size of the vocabulary.</param>
    /// <returns>The new file's content.</returns>
    /// <exception cref="BenchException">There are not enough pairs.</exception>
    public static string Of(string path, int tokens)
    {
        // The demo model's file has all of what is taken for granted here.
        var root = JsonNode.Parse(File.ReadAllBytes(path))!;
        var added = root["added_tokens"]!.AsArray();
        var (vocabulary, merges) = (root["model"]!["vocab"]!.AsObject(), root["model"]!["merges"]!.AsArray());
        HashSet<string> marks = [.. added.Select(mark => (string)mark!["content"]!)];
        string[] plain = [.. vocabulary.OrderBy(token => (int)token.Value!).Select(token => token.Key).Where(token => token.All(char.IsAscii) && !marks.Contains(token))];
        int next = vocabulary.Select(token => (int)token.Value!).Concat(added.Select(mark => (int)mark!["id"]!)).Max() + 1;
        bool pairs = merges[0] is JsonArray; // Older files write a merge as one string.
        int partners = tokens < plain.Length * Partners ? Partners : plain.Length;
        foreach (string first in plain)
        {
            foreach (string second in plain.Take(partners))
            {
                if (next == tokens)
                    return root.ToJsonString();
                if (!vocabulary.TryAdd(first + second, JsonValue.Create(next)))
                    continue;
                next++;
                JsonNode merge = pairs ? new JsonArray(first, second) : $"{first} {second}";
                merges.Add(merge);
            }
        }
        throw new BenchException($"{path} has too few tokens to make {tokens} of them");
    }
}
