namespace AiFabric.Engine.Tokenization.PreTokenizers;

/// <summary>A part of a text that tokens do not cross.</summary>
/// <param name="Text">The part.</param>
/// <param name="AtStart">Whether the text begins with it.</param>
internal readonly record struct Piece(string Text, bool AtStart);

/// <summary>Cuts a piece into smaller ones.</summary>
internal delegate void PreTokenizer(Piece piece, List<Piece> output);

/// <summary>What becomes of the places where a pattern is found.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>Cuts pieces where a pattern is found.</summary>
internal static class Splitter
{
    /// <param name="piece">The piece.</param>
    /// <param name="found">Where the pattern is found, from left to right.</param>
    /// <param name="behavior">What becomes of these places.</param>
    /// <param name="invert">Whether what lies between them counts as found instead.</param>
    /// <param name="output">Gets the parts; empty ones are left out.</param>
    public static void Split(Piece piece, List<(int Start, int Length)> found, SplitBehavior behavior, bool invert, List<Piece> output)
    {
        string text = piece.Text;
        var parts = Parts(text.Length, found, invert);
        if (behavior == SplitBehavior.MergedWithNext)
            parts.Reverse();
        var merged = new List<(int Start, int End)>();
        bool previous = false;
        for (int i = 0; i < parts.Count; i++)
        {
            var (start, end, match) = parts[i];
            bool joins = merged.Count > 0 && behavior switch
            {
                SplitBehavior.Contiguous => i > 0 && match == previous,
                SplitBehavior.MergedWithPrevious or SplitBehavior.MergedWithNext => match && !previous,
                _ => false,
            };
            previous = match;
            if (joins)
                merged[^1] = (Math.Min(merged[^1].Start, start), Math.Max(merged[^1].End, end));
            else if (!match || behavior != SplitBehavior.Removed)
                merged.Add((start, end));
        }
        if (behavior == SplitBehavior.MergedWithNext)
            merged.Reverse();
        foreach (var (start, end) in merged)
            output.Add(new Piece(text[start..end], piece.AtStart && start == 0));
    }

    private static List<(int Start, int End, bool Match)> Parts(int length, List<(int Start, int Length)> found, bool invert)
    {
        var parts = new List<(int, int, bool)>((2 * found.Count) + 1);
        int from = 0;
        foreach (var (start, count) in found)
        {
            if (start > from)
                parts.Add((from, start, invert));
            parts.Add((start, start + count, !invert));
            from = start + count;
        }
        if (from < length)
            parts.Add((from, length, invert));
        return parts;
    }
}
