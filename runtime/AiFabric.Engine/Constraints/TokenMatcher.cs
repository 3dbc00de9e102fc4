using System.Runtime.InteropServices;
using AiFabric.Engine.Constraints.Automata;

namespace AiFabric.Engine.Constraints;

/// <summary>
/// Where one answer is in its grammar, token by token, with the way back: speculative tokens can be tried and taken back. Not thread safe.
/// </summary>
public sealed class TokenMatcher
{
    private readonly TokenConstraint constraint;
    private readonly Automaton automaton;
    private readonly CallStacks stacks = new();
    private readonly List<int> taken = [];
    private readonly List<Mark> marks = [];
    private readonly List<Place> places = [];
    private readonly List<(int Rule, int Frame)> opened = [];
    private List<Place> current = [];
    private List<Place> following = [];

    internal TokenMatcher(TokenConstraint constraint)
    {
        (this.constraint, automaton) = (constraint, constraint.Automaton);
        IsComplete = automaton.AcceptsEmpty;
        following.Add(new Place(automaton.Root, CallStacks.Bottom));
        Open();
        Remember();
    }

    /// <summary>One of the things that the text so far can be.</summary>
    /// <param name="State">Of the automaton.</param>
    /// <param name="Frame">Of the open rule.</param>
    internal readonly record struct Place(int State, int Frame);

    private readonly record struct Mark(int Places, (int Frames, int Edges) Stacks, bool IsComplete);

    /// <summary>Tokens taken.</summary>
    public int Count => taken.Count;

    /// <summary>Whether the text so far is a whole answer.</summary>
    public bool IsComplete { get; private set; }

    internal CallStacks Stacks => stacks;

    internal ReadOnlySpan<Place> Places
    {
        get
        {
            int start = marks.Count > 1 ? marks[^2].Places : 0;
            return CollectionsMarshal.AsSpan(places)[start..];
        }
    }

    /// <summary>Goes to where an answer's tokens lead, back or ahead. What it knows of them already is not computed again.</summary>
    /// <returns>False when they are no beginning of an answer; it then stands before the first that does not fit.</returns>
    public bool Follow(ReadOnlySpan<int> output)
    {
        CutTo(CollectionsMarshal.AsSpan(taken).CommonPrefixLength(output));
        foreach (int token in output[taken.Count..])
        {
            if (!TryAdvance(token))
                return false;
        }
        return true;
    }

    /// <summary>Takes one more token.</summary>
    /// <returns>False when it does not fit; nothing changed then.</returns>
    public bool TryAdvance(int token)
    {
        var bytes = constraint.Trie.BytesOf(token);
        if (bytes.IsEmpty)
            return false;
        current.Clear();
        current.AddRange(Places);
        foreach (byte value in bytes)
        {
            if (Step(value))
                continue;
            stacks.CutTo(marks[^1].Stacks);
            IsComplete = marks[^1].IsComplete;
            return false;
        }
        taken.Add(token);
        Remember();
        return true;
    }

    /// <summary>Takes tokens back until only some are left.</summary>
    public void CutTo(int count)
    {
        if (count >= taken.Count)
            return;
        CollectionsMarshal.SetCount(taken, count);
        CollectionsMarshal.SetCount(marks, count + 1);
        CollectionsMarshal.SetCount(places, marks[^1].Places);
        stacks.CutTo(marks[^1].Stacks);
        IsComplete = marks[^1].IsComplete;
    }

    /// <summary>Forbids every token that does not fit: its logit becomes −∞. Tokens that end an answer fit where it is complete.</summary>
    /// <param name="logits">[vocab]; changed.</param>
    /// <param name="endTokens">Tokens that end an answer.</param>
    /// <returns>False when no token fits, so that there is nothing to draw from.</returns>
    public bool Mask(Span<float> logits, IReadOnlyList<int> endTokens) => constraint.Mask(this, logits, endTokens);

    private bool Step(byte value)
    {
        following.Clear();
        opened.Clear();
        IsComplete = false;
        foreach (var place in current)
        {
            int next = automaton.Next(place.State, value);
            if (next != Automaton.Dead)
                Reach(new Place(next, place.Frame));
        }
        Open();
        return current.Count > 0;
    }

    // Adds what can be reached without a byte, by calls and returns, and makes all of it current.
    private void Open()
    {
        for (int i = 0; i < following.Count; i++)
        {
            var place = following[i];
            if (automaton.IsPlain(place.State))
                continue;
            if (automaton.IsAccepting(place.State))
                Return(place.Frame);
            foreach (var call in automaton.Calls(place.State))
                Call(call, place.Frame);
        }
        (current, following) = (following, current);
    }

    private void Return(int frame)
    {
        IsComplete |= frame == CallStacks.Bottom;
        int? edge = null;
        while (stacks.NextEdge(frame, ref edge, out int state, out int caller))
            Reach(new Place(state, caller));
    }

    // Calls of one rule at one place share a frame. It gets all of its edges before its first byte, and so before it can return.
    private void Call(RuleCall call, int caller)
    {
        int frame = -1;
        foreach (var (rule, known) in opened)
        {
            if (rule == call.Rule)
                frame = known;
        }
        if (frame < 0)
        {
            frame = stacks.Push();
            opened.Add((call.Rule, frame));
            Reach(new Place(automaton.StartOf(call.Rule), frame));
        }
        stacks.AddEdge(frame, call.Return, caller);
    }

    private void Reach(Place place)
    {
        if (!following.Contains(place))
            following.Add(place);
    }

    private void Remember()
    {
        places.AddRange(current);
        marks.Add(new Mark(places.Count, stacks.Size, IsComplete));
    }
}
