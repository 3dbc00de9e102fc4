using System.Text;
using System.Text.RegularExpressions;

namespace AiFabric.Pretraining.Tokens;

/// <summary>Learns byte-level BPE merges: again and again the most frequent neighbouring pair within words becomes one piece.</summary>
/// <remarks>Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016. Ties go to the pair with the lower ids, so that the result is one for a text.</remarks>
internal sealed partial class BpeTrainer
{
    private readonly List<int[]> words = [];
    private readonly List<long> frequencies = [];
    private readonly Dictionary<(int Left, int Right), long> counts = [];
    private readonly Dictionary<(int Left, int Right), HashSet<int>> places = [];
    private readonly PriorityQueue<(int Left, int Right), (long NegativeCount, int Left, int Right)> queue = new();

    /// <summary>Counts the words of the text.</summary>
    public BpeTrainer(IEnumerable<string> texts)
    {
        var counted = new Dictionary<string, long>();
        foreach (string text in texts)
        {
            foreach (var word in Word().EnumerateMatches(text))
            {
                string key = text.Substring(word.Index, word.Length);
                counted[key] = counted.GetValueOrDefault(key) + 1;
            }
        }
        foreach (var (word, frequency) in counted.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            words.Add([.. Encoding.UTF8.GetBytes(word).Select(b => (int)b)]);
            frequencies.Add(frequency);
        }
    }

    /// <summary>Learns merges.</summary>
    /// <param name="count">How many.</param>
    /// <returns>The merged pairs in order of rank; pieces 0–255 are the bytes, piece 256 + i is the result of merge i.</returns>
    public IReadOnlyList<(int Left, int Right)> Train(int count)
    {
        for (int w = 0; w < words.Count; w++)
            CountPairs(w, +1);
        foreach (var pair in counts.Keys)
            Enqueue(pair);

        var merges = new List<(int, int)>(count);
        while (merges.Count < count && queue.TryDequeue(out var pair, out var priority))
        {
            long current = counts.GetValueOrDefault(pair);
            if (current <= 1 || current != -priority.NegativeCount)
            {
                if (current > 1)
                    Enqueue(pair); // Its count changed since it was queued.
                continue;
            }
            Merge(pair, 256 + merges.Count);
            merges.Add(pair);
        }
        return merges;
    }

    private void Merge((int Left, int Right) pair, int piece)
    {
        var raised = new HashSet<(int, int)>();
        foreach (int w in places[pair].ToArray())
        {
            CountPairs(w, -1);
            int[] old = words[w];
            var merged = new List<int>(old.Length);
            for (int i = 0; i < old.Length; i++)
            {
                bool matches = i + 1 < old.Length && old[i] == pair.Left && old[i + 1] == pair.Right;
                merged.Add(matches ? piece : old[i]);
                i += matches ? 1 : 0;
            }
            words[w] = [.. merged];
            CountPairs(w, +1);
            for (int i = 0; i + 1 < merged.Count; i++)
            {
                if (merged[i] == piece || merged[i + 1] == piece)
                    raised.Add((merged[i], merged[i + 1]));
            }
        }
        foreach (var neighbour in raised)
            Enqueue(neighbour);
    }

    private void CountPairs(int w, int sign)
    {
        int[] word = words[w];
        for (int i = 0; i + 1 < word.Length; i++)
        {
            var pair = (word[i], word[i + 1]);
            counts[pair] = counts.GetValueOrDefault(pair) + (sign * frequencies[w]);
            if (!places.TryGetValue(pair, out var set))
                places[pair] = set = [];
            if (sign > 0)
                set.Add(w);
            else
                set.Remove(w);
        }
    }

    private void Enqueue((int Left, int Right) pair) => queue.Enqueue(pair, (-counts[pair], pair.Left, pair.Right));

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Word();
}
