using System.Runtime.InteropServices;

namespace AiFabric.Engine.Constraints.Automata;

/// <summary>Makes the deterministic automata of a grammar's rules, by Rabin and Scott's subsets. Calls are letters like bytes.</summary>
internal sealed class Determinizer
{
    // 16 MB.
    private const int MaxCells = 4_000_000;

    private readonly ByteClasses classes;
    private readonly List<int> next = [];
    private readonly List<bool> accepting = [];
    private readonly List<RuleCall[]> calls = [];

    private Determinizer(ByteClasses classes) => this.classes = classes;

    /// <summary>Compiles a grammar.</summary>
    /// <exception cref="GrammarException">It is too large, no finite text fits, or a rule calls itself before any byte.</exception>
    public static Automaton Compile(Grammar grammar)
    {
        grammar = grammar.Trimmed();
        var facts = new RuleFacts(grammar);
        if (!facts.CanEnd(grammar.Root))
            throw new GrammarException("", "fits no finite text: something in it requires itself without end.");
        string[] names = [.. grammar.Rules.Keys];
        var numbers = names.Select((name, number) => (name, number)).ToDictionary(p => p.name, p => p.number);
        Nfa[] machines = [.. names.Select(name => new Nfa(grammar.Rules[name], facts, numbers)), new Nfa(grammar.Root, facts, numbers)];
        var determinizer = new Determinizer(new ByteClasses(machines.SelectMany(m => m.Edges)));
        int[] starts = [.. machines.Select(determinizer.Add)];
        return new Automaton(
            determinizer.classes, [.. determinizer.next], [.. determinizer.accepting], [.. determinizer.calls], starts[..^1], starts[^1], facts.CanBeEmpty(grammar.Root));
    }

    private int Add(Nfa machine)
    {
        var numbers = new Dictionary<int[], int>(SubsetComparer.Instance);
        var open = new Queue<(int[] Subset, int Number)>();
        // The first state is its own even where another is the same subset: the empty text is no call's, callers skip rules that can be empty.
        int start = NewState(ends: false);
        open.Enqueue((Closure(machine, [machine.Start]), start));
        var byLetter = new List<int>[classes.Count];
        while (open.TryDequeue(out var item))
        {
            Sort(machine, item.Subset, byLetter);
            for (int letter = 0; letter < classes.Count; letter++)
            {
                int cell = (item.Number * classes.Count) + letter;
                bool same = letter > 0 && CollectionsMarshal.AsSpan(byLetter[letter]).SequenceEqual(CollectionsMarshal.AsSpan(byLetter[letter - 1]));
                int to = same ? next[cell - 1] : Number(byLetter[letter]);
                next[cell] = to;
            }
            calls[item.Number] = [.. item.Subset.SelectMany(machine.From).Where(e => e.IsCall && machine.Live[e.To]).GroupBy(e => e.Rule)
                .Select(group => new RuleCall(group.Key, Number([.. group.Select(e => e.To)])))];
        }
        return start;

        int Number(List<int> states)
        {
            int[] subset = Closure(machine, states);
            if (subset.Length == 0)
                return Automaton.Dead;
            if (numbers.TryGetValue(subset, out int known))
                return known;
            int number = NewState(subset.Contains(machine.End));
            numbers.Add(subset, number);
            open.Enqueue((subset, number));
            return number;
        }
    }

    private int NewState(bool ends)
    {
        if (next.Count + classes.Count > MaxCells)
            throw new GrammarException("", "is too large. Lower its bounds ('maxLength', 'maxItems', counts in patterns) or split it.");
        accepting.Add(ends);
        calls.Add([]);
        CollectionsMarshal.SetCount(next, next.Count + classes.Count);
        return accepting.Count - 1;
    }

    // Where each class of bytes leads from a subset.
    private void Sort(Nfa machine, int[] subset, List<int>[] byLetter)
    {
        for (int letter = 0; letter < byLetter.Length; letter++)
            (byLetter[letter] ??= []).Clear();
        foreach (int state in subset)
        {
            foreach (var edge in machine.From(state))
            {
                if (!edge.IsBytes)
                    continue;
                for (int letter = classes.ClassOf[edge.First]; letter <= classes.ClassOf[edge.Last]; letter++)
                    byLetter[letter].Add(edge.To);
            }
        }
    }

    // States that can be reached over nothing, without those from which no way leads to the end.
    private static int[] Closure(Nfa machine, IReadOnlyList<int> states)
    {
        var found = new HashSet<int>();
        var open = new Stack<int>(states);
        while (open.TryPop(out int state))
        {
            if (!machine.Live[state] || !found.Add(state))
                continue;
            foreach (var edge in machine.From(state))
            {
                if (!edge.IsBytes && !edge.IsCall)
                    open.Push(edge.To);
            }
        }
        // States with nothing but ways over nothing say nothing more.
        int[] subset = [.. found.Where(s => s == machine.End || machine.From(s).Any(e => e.IsBytes || e.IsCall))];
        Array.Sort(subset);
        return subset;
    }

    private sealed class SubsetComparer : IEqualityComparer<int[]>
    {
        public static readonly SubsetComparer Instance = new();

        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] subset)
        {
            var hash = new HashCode();
            hash.AddBytes(MemoryMarshal.AsBytes<int>(subset));
            return hash.ToHashCode();
        }
    }
}
