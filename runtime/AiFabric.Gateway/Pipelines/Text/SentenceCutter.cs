using System.Text;

namespace AiFabric.Gateway.Pipelines.Text;

/// <summary>Cuts into sentences. A full stop inside a number or a name (<c>3.5</c>, <c>e.g</c>) ends none, for no space follows.</summary>
public sealed class SentenceCutter : ITextCutter
{
    private readonly StringBuilder _open = new();
    private bool _mayEnd;

    public IEnumerable<string> Add(string chunk)
    {
        var parts = new List<string>();
        foreach (char c in chunk)
        {
            if (c == '\n' || (_mayEnd && char.IsWhiteSpace(c)))
                Close(parts);
            _open.Append(c);
            _mayEnd = c is '.' or '!' or '?' or '。' or '！' or '？' || (_mayEnd && c is '"' or '\'' or ')' or ']' or '”');
        }
        return parts;
    }

    public IEnumerable<string> End()
    {
        var parts = new List<string>();
        Close(parts);
        return parts;
    }

    private void Close(List<string> parts)
    {
        string part = _open.ToString().Trim();
        _open.Clear();
        _mayEnd = false;
        if (part.Length > 0)
            parts.Add(part);
    }
}
