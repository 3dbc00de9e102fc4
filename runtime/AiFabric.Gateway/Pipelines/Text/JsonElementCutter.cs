using System.Text;
using System.Text.Json;

namespace AiFabric.Gateway.Pipelines.Text;

/// <summary>Cuts out the elements of the first JSON array in a text, each as soon as it is whole. An element that is no JSON is passed as it stands.</summary>
public sealed class JsonElementCutter : ITextCutter
{
    private readonly StringBuilder _open = new();
    private int _depth;
    private bool _inString;
    private bool _escaped;
    private bool _isOver;

    public IEnumerable<string> Add(string chunk)
    {
        var parts = new List<string>();
        foreach (char c in chunk)
        {
            if (!_isOver)
                Take(c, parts);
        }
        return parts;
    }

    /// <summary>Nothing: an element that the text ends inside of is not whole.</summary>
    public IEnumerable<string> End() => [];

    private void Take(char c, List<string> parts)
    {
        if (_inString)
        {
            _open.Append(c);
            _inString = _escaped || c != '"';
            _escaped = !_escaped && c == '\\';
            return;
        }
        if (_depth == 0)
        {
            _depth = c == '[' ? 1 : 0;
            return;
        }
        if (_depth == 1 && c is ',' or ']')
        {
            Close(parts);
            _isOver = c == ']';
            return;
        }
        _inString = c == '"';
        _depth += c is '[' or '{' ? 1 : c is ']' or '}' ? -1 : 0;
        _open.Append(c);
    }

    private void Close(List<string> parts)
    {
        string part = _open.ToString().Trim();
        _open.Clear();
        if (part.Length > 0)
            parts.Add(part[0] == '"' ? Unquoted(part) : part);
    }

    private static string Unquoted(string part)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(part);
            return json.RootElement.ValueKind == JsonValueKind.String ? json.RootElement.GetString()! : part; // A string is never null.
        }
        catch (JsonException)
        {
            return part;
        }
    }
}
