namespace AiFabric.Engine.Tokenization.PreTokenizers;

/// <summary>What stands before a piece, which says whether a space is put there.</summary>
internal enum Before
{
    /// <summary>Nothing: the text begins here.</summary>
    Nothing,

    /// <summary>An added token, or another piece.</summary>
    Border,

    /// <summary>Text that this piece goes on from, though a caller has it encoded apart.</summary>
    Text,
}

/// <summary>A part of a text that tokens do not cross.</summary>
/// <param name="Text">The part.</param>
/// <param name="Before">What stands before it.</param>
internal readonly record struct Piece(string Text, Before Before)
{
    public Piece Part(int start, int end) => new(Text[start..end], start == 0 ? Before : Before.Border);
}

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
        var parts = Parts(piece.Text.Length, found, invert);
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
            output.Add(piece.Part(start, end));
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
