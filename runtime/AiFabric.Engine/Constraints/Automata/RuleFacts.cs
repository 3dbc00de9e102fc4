namespace AiFabric.Engine.Constraints.Automata;

/// <summary>Which rules can be empty, and which can end at all.</summary>
internal sealed class RuleFacts
{
    private readonly HashSet<string> nullable = [];
    private readonly HashSet<string> finite = [];

    public RuleFacts(Grammar grammar)
    {
        bool changed = true;
        while (changed)
        {
            changed = false;
            foreach (var (name, pattern) in grammar.Rules)
            {
                changed |= CanBeEmpty(pattern) && nullable.Add(name);
                changed |= CanEnd(pattern) && finite.Add(name);
            }
        }
        RefuseLoops(grammar);
    }

    public bool CanBeEmpty(Pattern pattern) => pattern switch
    {
        Pattern.Literal literal => literal.Value.Length == 0,
        Pattern.InOrder all => all.Each.All(CanBeEmpty),
        Pattern.OneOf any => any.Each.Any(CanBeEmpty),
        Pattern.Lacking => true,
        Pattern.Repeated repeated => repeated.Min == 0 || CanBeEmpty(repeated.Part),
        Pattern.Separated list => list.Items.All(i => i.Optional || CanBeEmpty(i.Item)),
        Pattern.Call call => nullable.Contains(call.Name),
        _ => false,
    };

    /// <summary>Whether any finite text fits.</summary>
    public bool CanEnd(Pattern pattern) => pattern switch
    {
        Pattern.InOrder all => all.Each.All(CanEnd),
        Pattern.OneOf any => any.Each.Any(CanEnd),
        Pattern.Repeated repeated => repeated.Min == 0 || CanEnd(repeated.Part),
        Pattern.Separated list => list.Items.All(i => i.Optional || CanEnd(i.Item)),
        Pattern.Call call => finite.Contains(call.Name),
        _ => true,
    };

    // A rule that calls itself before any byte would be called for ever.
    private void RefuseLoops(Grammar grammar)
    {
        var done = new HashSet<string>();
        foreach (string start in grammar.Rules.Keys)
        {
            var open = new HashSet<string>();
            Visit(start, open);
        }

        void Visit(string rule, HashSet<string> open)
        {
            if (done.Contains(rule))
                return;
            if (!open.Add(rule))
                throw new GrammarException(rule, "refers to itself with nothing between.");
            foreach (string called in First(grammar.Rules[rule]))
                Visit(called, open);
            open.Remove(rule);
            done.Add(rule);
        }
    }

    private IEnumerable<string> First(Pattern pattern)
    {
        switch (pattern)
        {
            case Pattern.Call call:
                return [call.Name];
            case Pattern.OneOf any:
                return any.Each.SelectMany(First);
            case Pattern.Repeated repeated:
                return First(repeated.Part);
            case Pattern.InOrder all:
                int solid = all.Each.TakeWhile(CanBeEmpty).Count();
                return all.Each.Take(solid + 1).SelectMany(First);
            case Pattern.Separated list:
                return list.Items.SelectMany(i => First(i.Item)).Concat(list.Extra is { } extra ? First(extra) : []);
            default:
                return [];
        }
    }
}
