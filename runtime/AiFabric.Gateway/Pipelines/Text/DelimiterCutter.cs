using System.Text;

namespace AiFabric.Gateway.Pipelines.Text;

/// <summary>Cuts at a fixed string.</summary>
public sealed class DelimiterCutter(string delimiter) : ITextCutter
{
    private readonly StringBuilder _open = new();

    public IEnumerable<string> Add(string chunk)
    {
        var parts = new List<string>();
        foreach (char c in chunk)
        {
            _open.Append(c);
            if (c == delimiter[^1] && EndsWithDelimiter())
            {
                _open.Length -= delimiter.Length;
                Close(parts);
            }
        }
        return parts;
    }

    public IEnumerable<string> End()
    {
        var parts = new List<string>();
        Close(parts);
        return parts;
    }

    private bool EndsWithDelimiter()
    {
        if (_open.Length < delimiter.Length)
            return false;
        for (int i = 0; i < delimiter.Length; i++)
        {
            if (_open[_open.Length - delimiter.Length + i] != delimiter[i])
                return false;
        }
        return true;
    }

    private void Close(List<string> parts)
    {
        string part = _open.ToString().Trim();
        _open.Clear();
        if (part.Length > 0)
            parts.Add(part);
    }
}
