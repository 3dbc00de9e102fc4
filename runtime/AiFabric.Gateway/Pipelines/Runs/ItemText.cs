using System.Text;

namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>
/// One text that arrives in pieces, each with its place. Pieces may come twice, late, or again from the start by another replica: what is there
/// already is skipped, what has no place yet waits.
/// </summary>
public sealed class ItemText
{
    /// <summary>Longest text of one item, in characters, so that a stage that never ends cannot fill the memory.</summary>
    public const int MaxLength = 1 << 20;

    private readonly StringBuilder _text = new();
    private readonly SortedDictionary<long, string> _early = [];
    private string? _whole;

    public int Length => _text.Length;

    /// <summary>Where it ends; null while that is not known.</summary>
    public long? End { get; private set; }

    /// <summary>Whether all of it is here.</summary>
    public bool IsWhole => End == Length;

    /// <summary>What is here, from <paramref name="offset"/> on.</summary>
    public string From(int offset) => offset == 0 && IsWhole ? _whole ??= _text.ToString() : _text.ToString(offset, _text.Length - offset);

    public override string ToString() => From(0);

    /// <summary>Takes a piece.</summary>
    /// <returns>What continues the text now, empty if nothing does; or why the piece does not fit.</returns>
    public (string New, string? Problem) Add(long offset, string piece)
    {
        if (offset + piece.Length > MaxLength)
            return ("", $"its text is longer than {MaxLength} characters");
        if (Disagrees(offset, piece))
            return ("", "a second answer differs from what was passed on of the first");
        int before = Length;
        if (offset + piece.Length > Length)
            Keep(offset, piece);
        while (_early.Count > 0 && _early.First() is { Key: var place, Value: var next } && place <= Length)
        {
            _early.Remove(place);
            if (Disagrees(place, next))
                return ("", "a second answer differs from what was passed on of the first");
            if (place + next.Length > Length)
                _text.Append(next, (int)(Length - place), (int)(place + next.Length - Length));
        }
        return (From(before), null);
    }

    /// <summary>Says where the text ends. The first word counts.</summary>
    public void EndAt(long length) => End ??= length;

    /// <summary>The text ends with what is here.</summary>
    public void EndHere()
    {
        _early.Clear();
        End = Length;
    }

    private void Keep(long offset, string piece)
    {
        if (!_early.TryGetValue(offset, out string? other) || other.Length < piece.Length)
            _early[offset] = piece;
    }

    private bool Disagrees(long offset, string piece)
    {
        int shared = (int)Math.Min(Length - offset, piece.Length);
        return shared > 0 && !_text.ToString((int)offset, shared).AsSpan().SequenceEqual(piece.AsSpan(0, shared));
    }
}
