using System.Text;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>One run of a rendered prompt.</summary>
/// <param name="Text">The text.</param>
/// <param name="Trusted">Whether the template wrote it; false for what a client sent, which must not be read as control marks.</param>
public readonly record struct PromptSegment(string Text, bool Trusted);

/// <summary>A string that remembers which of its parts came from the template and which from the client.</summary>
internal sealed class TemplateText(IReadOnlyList<PromptSegment> segments)
{
    public static readonly TemplateText Empty = new([]);

    public IReadOnlyList<PromptSegment> Segments { get; } = segments;

    public static TemplateText Of(string text, bool trusted) => text.Length == 0 ? Empty : new([new PromptSegment(text, trusted)]);

    public TemplateText Append(TemplateText other) => new([.. Segments, .. other.Segments]);

    public TemplateText Trim()
    {
        var trimmed = Segments.ToList();
        while (trimmed.Count > 0)
        {
            trimmed[0] = trimmed[0] with { Text = trimmed[0].Text.TrimStart() };
            if (trimmed[0].Text.Length > 0)
                break;
            trimmed.RemoveAt(0);
        }
        while (trimmed.Count > 0)
        {
            trimmed[^1] = trimmed[^1] with { Text = trimmed[^1].Text.TrimEnd() };
            if (trimmed[^1].Text.Length > 0)
                break;
            trimmed.RemoveAt(trimmed.Count - 1);
        }
        return new(trimmed);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var segment in Segments)
            text.Append(segment.Text);
        return text.ToString();
    }
}
