using System.Text;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>One run of a rendered prompt.</summary>
/// <param name="Text">The text.</param>
/// <param name="Trusted">Whether the template wrote it; false for what a client sent, which must not be read as control marks.</param>
public readonly record struct PromptSegment(string Text, bool Trusted);

/// <summary>A string that remembers which of its parts came from the template and which from the client.</summary>
internal sealed class TemplateText
{
    public static readonly TemplateText Empty = new("", []);

    private readonly Run[] runs;

    private TemplateText(string text, Run[] runs) => (Text, this.runs) = (text, runs);

    /// <summary>The characters, whoever wrote them.</summary>
    public string Text { get; }

    public int Length => Text.Length;

    public static TemplateText Of(string text, bool trusted) => text.Length == 0 ? Empty : new(text, [new Run(text.Length, trusted)]);

    /// <summary>Joins parts; neighbours of one writer become one run, so that a mark may be put together from literals.</summary>
    public static TemplateText Concat(IEnumerable<TemplateText> parts)
    {
        var text = new StringBuilder();
        var runs = new List<Run>();
        foreach (var part in parts)
        {
            int start = text.Length;
            text.Append(part.Text);
            foreach (var run in part.runs)
            {
                if (runs.Count > 0 && runs[^1].Trusted == run.Trusted)
                    runs[^1] = new Run(start + run.End, run.Trusted);
                else
                    runs.Add(new Run(start + run.End, run.Trusted));
            }
        }
        return text.Length == 0 ? Empty : new(text.ToString(), [.. runs]);
    }

    public TemplateText Append(TemplateText other) => Length == 0 ? other : other.Length == 0 ? this : Concat([this, other]);

    public TemplateText Slice(int start, int length)
    {
        if (length == 0)
            return Empty;
        if (length == Length)
            return this;
        var kept = new List<Run>();
        int from = 0;
        foreach (var run in runs)
        {
            if (run.End > start && from < start + length)
                kept.Add(new Run(Math.Min(run.End, start + length) - start, run.Trusted));
            from = run.End;
        }
        return new(Text.Substring(start, length), [.. kept]);
    }

    /// <summary>Changes characters one for one.</summary>
    public TemplateText Map(Func<string, string> change) => new(change(Text), runs);

    /// <summary>The same characters, none of which may be a control mark.</summary>
    public TemplateText Distrusted() => Of(Text, trusted: false);

    /// <summary>Cuts off characters at the ends.</summary>
    /// <param name="strip">Which characters.</param>
    /// <param name="left">Whether at the start.</param>
    /// <param name="right">Whether at the end.</param>
    public TemplateText Trim(Func<char, bool> strip, bool left = true, bool right = true)
    {
        int start = 0, end = Length;
        while (left && start < end && strip(Text[start]))
            start++;
        while (right && end > start && strip(Text[end - 1]))
            end--;
        return Slice(start, end - start);
    }

    public IReadOnlyList<PromptSegment> Segments()
    {
        var segments = new List<PromptSegment>(runs.Length);
        int start = 0;
        foreach (var run in runs)
        {
            segments.Add(new PromptSegment(Text[start..run.End], run.Trusted));
            start = run.End;
        }
        return segments;
    }

    public override string ToString() => Text;

    private readonly record struct Run(int End, bool Trusted);
}

/// <summary>What a template has written so far.</summary>
internal sealed class TemplateOutput(TemplateRun run)
{
    private readonly List<TemplateText> parts = [];

    public void Write(TemplateText text)
    {
        if (text.Length == 0)
            return;
        run.Charge(text.Length);
        parts.Add(text);
    }

    public TemplateText ToText() => TemplateText.Concat(parts);
}
