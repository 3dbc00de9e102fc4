using System.Text;

namespace AiFabric.Engine.Constraints;

/// <summary>A set of byte strings, as a tree of the operations that make it. Immutable; parts may be shared.</summary>
public abstract record Pattern
{
    /// <summary>The empty string.</summary>
    public static Pattern Empty { get; } = new InOrder([]);

    /// <summary>The UTF-8 bytes of a text.</summary>
    public static Pattern Text(string text) => new Literal(Encoding.UTF8.GetBytes(text));

    /// <summary>One byte of a range, both ends included.</summary>
    public static Pattern Bytes(byte first, byte last) => new ByteRange(first, last);

    /// <summary>One part after the other.</summary>
    public static Pattern Sequence(params IReadOnlyList<Pattern> parts) => parts.Count == 1 ? parts[0] : new InOrder(parts);

    /// <summary>Any one of several.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static Pattern Choice(params IReadOnlyList<Pattern> parts) => parts.Count switch
    {
        0 => throw new ArgumentException("A choice needs a part.", nameof(parts)),
        1 => parts[0],
        _ => new OneOf(parts),
    };

    /// <summary>A part or nothing.</summary>
    public static Pattern Optional(Pattern part) => new Repeated(part, 0, 1);

    /// <summary>A part several times.</summary>
    /// <param name="part">What is repeated.</param>
    /// <param name="min">Times at least.</param>
    /// <param name="max">Times at most; null without bound.</param>
    public static Pattern Repeat(Pattern part, int min, int? max) => new Repeated(part, min, max);

    /// <summary>Whatever a rule of the grammar stands for.</summary>
    public static Pattern Rule(string name) => new Call(name);

    /// <summary>Items in their order, a separator between those that are there.</summary>
    /// <param name="items">Each with whether it may be left out.</param>
    /// <param name="separator">Between two items.</param>
    /// <param name="repeated">What may follow any number of times; null for nothing.</param>
    public static Pattern Listed(IReadOnlyList<(Pattern Item, bool Optional)> items, Pattern separator, Pattern? repeated) =>
        new Separated(items, separator, repeated);

    /// <summary>Texts of any bytes, the empty one too, that do not hold a mark.</summary>
    /// <param name="mark">Not empty; ASCII.</param>
    public static Pattern Without(string mark) => new Lacking(Encoding.ASCII.GetBytes(mark));

    /// <summary>Any text, the empty one too, without control marks.</summary>
    public static Pattern AnyText { get; } = Repeat(Bytes(0, TokenTrie.MarkByte - 1), 0, null);

    /// <summary>One control mark: the token itself, not its spelling.</summary>
    /// <param name="token">Its id.</param>
    public static Pattern ControlMark(int token) => new Literal(TokenTrie.BytesOfMark(token));

    /// <summary>What it is made of, one level down.</summary>
    internal IEnumerable<Pattern> Parts() => this switch
    {
        InOrder all => all.Each,
        OneOf any => any.Each,
        Repeated repeated => [repeated.Part],
        Separated list => [.. list.Items.Select(i => i.Item), list.Separator, .. list.Extra is { } extra ? (Pattern[])[extra] : []],
        _ => [],
    };

    internal sealed record Literal(byte[] Value) : Pattern;

    internal sealed record ByteRange(byte First, byte Last) : Pattern;

    internal sealed record InOrder(IReadOnlyList<Pattern> Each) : Pattern;

    internal sealed record OneOf(IReadOnlyList<Pattern> Each) : Pattern;

    internal sealed record Repeated(Pattern Part, int Min, int? Max) : Pattern;

    internal sealed record Call(string Name) : Pattern;

    internal sealed record Separated(IReadOnlyList<(Pattern Item, bool Optional)> Items, Pattern Separator, Pattern? Extra) : Pattern;

    internal sealed record Lacking(byte[] Mark) : Pattern;
}
