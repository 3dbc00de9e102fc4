using System.Text;
using AiFabric.Engine.Tokenization;

namespace AiFabric.Benchmarks.Speed;

/// <summary>Prompts that nobody has seen, the same for the same seed.</summary>
internal static class Prompts
{
    private const int FirstTextToken = 3; // Below are marks.

    public static int[] Random(int seed, int tokens, int vocabulary)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, tokens).Select(_ => random.Next(FirstTextToken, vocabulary))];
    }

    /// <summary>Random words that make at least so many tokens, and a few more at most.</summary>
    public static string RandomText(int seed, int tokens, HuggingFaceTokenizer tokenizer)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        while (tokenizer.Encode(text.ToString()).Length < tokens)
        {
            for (int letters = random.Next(2, 9); letters > 0; letters--)
                text.Append((char)random.Next('a', 'z' + 1));
            text.Append(' ');
        }
        return text.ToString().TrimEnd();
    }
}
