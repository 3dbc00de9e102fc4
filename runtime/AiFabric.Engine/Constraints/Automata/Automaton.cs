namespace AiFabric.Engine.Constraints.Automata;

/// <summary>In some state a rule can be called.</summary>
/// <param name="Rule">Its number.</param>
/// <param name="Return">The caller's state after it.</param>
internal readonly record struct RuleCall(int Rule, int Return);

/// <summary>
/// The rules of a grammar as deterministic automata over bytes that call each other. From every state some finite text leads to its rule's
/// end. Immutable.
/// </summary>
internal sealed class Automaton
{
    public const int Dead = -1;

    private readonly ByteClasses classes;
    private readonly int[] next;
    private readonly bool[] accepting;
    private readonly RuleCall[][] calls;
    private readonly int[] starts;
    private readonly bool[] plain;

    /// <param name="classes">Columns of <paramref name="next"/>.</param>
    /// <param name="next">[states, classes]: the state after a byte, or <see cref="Dead"/>.</param>
    /// <param name="accepting">By state: whether its rule may end here.</param>
    /// <param name="calls">By state: what it can call.</param>
    /// <param name="starts">By rule.</param>
    /// <param name="root">Where the whole starts.</param>
    /// <param name="acceptsEmpty">Whether the whole may be empty.</param>
    public Automaton(ByteClasses classes, int[] next, bool[] accepting, RuleCall[][] calls, int[] starts, int root, bool acceptsEmpty)
    {
        (this.classes, this.next, this.accepting, this.calls, this.starts) = (classes, next, accepting, calls, starts);
        (Root, AcceptsEmpty) = (root, acceptsEmpty);
        plain = [.. accepting.Select((ends, state) => !ends && calls[state].Length == 0)];
    }

    public int Root { get; }

    public bool AcceptsEmpty { get; }

    public int StateCount => accepting.Length;

    public int Next(int state, byte value) => next[(state * classes.Count) + classes.ClassOf[value]];

    public bool IsAccepting(int state) => accepting[state];

    /// <summary>Whether only bytes lead on from a state: its rule cannot end there, nor call another.</summary>
    public bool IsPlain(int state) => plain[state];

    public ReadOnlySpan<RuleCall> Calls(int state) => calls[state];

    public int StartOf(int rule) => starts[rule];
}
