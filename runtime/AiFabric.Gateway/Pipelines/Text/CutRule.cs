namespace AiFabric.Gateway.Pipelines.Text;

/// <summary>Where a text is cut.</summary>
public enum CutKind
{
    /// <summary>After <c>.</c>, <c>!</c>, <c>?</c> (and closing quotes) before white space, and at line ends.</summary>
    Sentence,

    /// <summary>At a fixed string, which belongs to no part.</summary>
    Delimiter,

    /// <summary>Between the elements of the first JSON array; what is around the array is left out. Strings lose their quotes.</summary>
    JsonElement,
}

/// <summary>How a text is cut into parts.</summary>
public sealed record CutRule(CutKind Kind, string Delimiter = "\n")
{
    public ITextCutter NewCutter() => Kind switch
    {
        CutKind.Sentence => new SentenceCutter(),
        CutKind.Delimiter => new DelimiterCutter(Delimiter),
        _ => new JsonElementCutter(),
    };
}

/// <summary>Cuts one text as it comes. Parts are trimmed, and empty ones left out; where the chunks' borders lie changes nothing.</summary>
public interface ITextCutter
{
    /// <summary>The parts that are whole now.</summary>
    IEnumerable<string> Add(string chunk);

    /// <summary>What is left when the text ends.</summary>
    IEnumerable<string> End();
}
