namespace AiFabric.Gateway.Pipelines.Text;

/// <summary>What a filter looks for in a text, whatever the case of its letters.</summary>
public enum FilterKind
{
    /// <summary>The text begins with it, white space aside.</summary>
    StartsWith,

    /// <summary>It occurs anywhere.</summary>
    Contains,
}

/// <summary>Which items a filter passes on.</summary>
/// <param name="Kind">Where it looks.</param>
/// <param name="Text">What it looks for.</param>
/// <param name="Negate">Passes those on in which it is not found.</param>
public sealed record FilterRule(FilterKind Kind, string Text, bool Negate = false)
{
    /// <summary>Whether the item passes; null while the rest of the text could still change that.</summary>
    /// <param name="text">As much as there is.</param>
    /// <param name="isWhole">Whether that is all.</param>
    public bool? Decide(string text, bool isWhole)
    {
        bool? found = Find(text, isWhole);
        return found is { } known ? known != Negate : null;
    }

    private bool? Find(string text, bool isWhole)
    {
        if (Kind == FilterKind.Contains)
            return text.Contains(Text, StringComparison.OrdinalIgnoreCase) ? true : isWhole ? false : null;
        ReadOnlySpan<char> begin = text.AsSpan().TrimStart();
        if (begin.StartsWith(Text, StringComparison.OrdinalIgnoreCase))
            return true;
        return isWhole || !Text.AsSpan().StartsWith(begin, StringComparison.OrdinalIgnoreCase) ? false : null;
    }
}
