using System.Text.RegularExpressions;

namespace AiFabric.Crds.Pipelines;

/// <summary>What is wrong with a pipeline, by field.</summary>
public readonly record struct ShapeProblem(string Field, string Message);

/// <summary>
/// How the stages of a pipeline hang together: their order, and for each the splits that its items went through (its type, so to say). The operator
/// refuses by it and the gateways run by it. Pure.
/// </summary>
public sealed partial class PipelineShape
{
    /// <summary>The source's name.</summary>
    public const string Request = "request";

    private readonly Dictionary<string, IReadOnlyList<string>> _levels = new(StringComparer.Ordinal) { [Request] = [] };
    private readonly List<ShapeProblem> _problems = [];
    private readonly List<StageSpec> _order = [];

    private PipelineShape()
    {
    }

    /// <summary>The stages, each after those whose texts it takes; only meaningful without problems.</summary>
    public IReadOnlyList<StageSpec> Order => _order;

    public IReadOnlyList<ShapeProblem> Problems => _problems;

    public static PipelineShape Of(PipelineSpec spec)
    {
        var shape = new PipelineShape();
        shape.Read(spec);
        return shape;
    }

    /// <summary>The stage's inputs: without any, the request.</summary>
    public static IReadOnlyList<InputSpec> InputsOf(StageSpec stage) =>
        stage.Inputs is { Count: > 0 } inputs ? [.. inputs] : [new InputSpec { From = Request }];

    /// <summary>Whether somebody outside the gateway does the stage's work.</summary>
    public static bool IsCalled(StageSpec stage) => stage.ModelRef is not null || stage.FunctionRef is not null || stage.PipelineRef is not null;

    /// <summary>Whether the stage gets the items of a group at one replica.</summary>
    public static bool IsFold(StageSpec stage) => stage is { FunctionRef: not null, Aggregation: { Policy: null or AggregationPolicy.SameReplica } };

    /// <summary>How many splits an item of the stage, or of the request, went through.</summary>
    public int DepthOf(string name) => _levels[name].Count;

    /// <summary>Name of the split that an input's <c>emit</c> makes; null when it makes none. Inputs that cut the same text the same way share it.</summary>
    public static string? CutOf(InputSpec input) => input.Emit switch
    {
        EmitBy.Sentence or EmitBy.JsonElement => $"{input.From}/{input.Emit}",
        EmitBy.Delimiter => $"{input.From}/{input.Emit}/{input.Delimiter ?? "\n"}",
        _ => null,
    };

    private void Read(PipelineSpec spec)
    {
        foreach (StageSpec stage in spec.Stages)
        {
            if (spec.Stages.Count(other => other.Name == stage.Name) > 1)
                Add($"spec.stages[{stage.Name}]", "two stages have this name: rename one");
        }
        HashSet<string> known = [Request, .. spec.Stages.Select(stage => stage.Name)];
        foreach (StageSpec stage in spec.Stages)
        {
            foreach (InputSpec input in InputsOf(stage).Where(input => !known.Contains(input.From)))
                Add($"spec.stages[{stage.Name}].inputs", $"there is no stage '{input.From}': name a stage or {Request}");
            if (stage.Aggregation?.KeyFrom is { } key && !known.Contains(key))
                Add($"spec.stages[{stage.Name}].aggregation.keyFrom", $"there is no stage '{key}': name a stage or {Request}");
        }
        if (!known.Contains(spec.Output.From))
            Add("spec.output.from", $"there is no stage '{spec.Output.From}'");
        if (_problems.Count == 0)
            Sort(spec);
        if (_problems.Count == 0 && _levels[spec.Output.From].Count > 0)
            Add("spec.output.from", $"'{spec.Output.From}' has many texts for one request: name a stage that joins them");
    }

    private void Sort(PipelineSpec spec)
    {
        var left = spec.Stages.ToList();
        while (left.Count > 0)
        {
            StageSpec? next = left.Find(stage => InputsOf(stage).All(input => _levels.ContainsKey(input.From)));
            if (next is null)
            {
                Add("spec.stages", $"the inputs of {string.Join(", ", left.Select(stage => stage.Name))} go in a circle: cut it");
                return;
            }
            left.Remove(next);
            _order.Add(next);
            int before = _problems.Count;
            _levels[next.Name] = LevelOf(next);
            if (_problems.Count > before)
                return; // Whatever follows would only follow from this.
        }
    }

    private IReadOnlyList<string> LevelOf(StageSpec stage)
    {
        string field = $"spec.stages[{stage.Name}]";
        IReadOnlyList<InputSpec> inputs = InputsOf(stage);
        CheckPrompt(stage, inputs, field);
        IReadOnlyList<string>[] levels = [.. inputs.Select(input => LevelOf(stage, input, field))];
        IReadOnlyList<string> deepest = levels.MaxBy(level => level.Count)!; // There is at least one input.
        if (levels.Any(level => !deepest.Take(level.Count).SequenceEqual(level)))
            Add($"{field}.inputs", "the inputs are parts of different splits: join one of them first");
        if ((stage.Split is not null && inputs.Count > 1) || (stage.Filter is not null && inputs.Count > 2))
            Add($"{field}.inputs", stage.Split is not null ? "a split has one input" : "a filter has one or two inputs");
        if (stage.Split is not null)
            return [.. deepest, stage.Name];
        if (stage.Join is not null && inputs.Count > 1 && levels.Any(level => level.Count != deepest.Count))
            Add($"{field}.inputs", "the inputs of a join went through different splits: join them by a stage of their own first");
        if (IsFold(stage))
            return Group(stage, deepest, field);
        if (stage.Join is null || inputs.Count > 1)
            return deepest;
        if (deepest.Count == 0)
            Add($"{field}.inputs", "there is nothing to join: no split comes before");
        return [.. deepest.SkipLast(1)];
    }

    private IReadOnlyList<string> LevelOf(StageSpec stage, InputSpec input, string field)
    {
        IReadOnlyList<string> level = _levels[input.From];
        if (input.Emit == EmitBy.Token && IsCalled(stage))
            Add($"{field}.inputs[{input.From}].emit", "Token goes into split, join and filter only: this stage needs whole texts");
        if (CutOf(input) is { } cut)
            level = [.. level, cut];
        if (input.Join is null)
            return level;
        if (level.Count == 0)
            Add($"{field}.inputs[{input.From}].join", "there is nothing to join: no split comes before");
        return [.. level.SkipLast(1)];
    }

    private IReadOnlyList<string> Group(StageSpec stage, IReadOnlyList<string> level, string field)
    {
        if (InputsOf(stage).Count > 1)
            Add($"{field}.inputs", "a function with aggregation has one input");
        IReadOnlyList<string> group = stage.Aggregation!.KeyFrom is { } key // Folds have an aggregation.
            ? _levels.GetValueOrDefault(key) ?? ["?"]
            : [.. level.SkipLast(1)];
        if (group.Count >= level.Count || !level.Take(group.Count).SequenceEqual(group))
            Add($"{field}.aggregation", "the items of its input have no group: keyFrom must name a stage before a split of them");
        return group;
    }

    private void CheckPrompt(StageSpec stage, IReadOnlyList<InputSpec> inputs, string field)
    {
        if (inputs.GroupBy(input => input.From).FirstOrDefault(same => same.Count() > 1) is { } twice)
            Add($"{field}.inputs", $"'{twice.Key}' is named twice");
        if (stage.ModelRef is null)
            return;
        if (stage.Prompt is null && inputs.Count > 1)
            Add($"{field}.prompt", "is needed with several inputs: say where each goes, as {{name}}");
        string[] named = [.. Placeholder().Matches(stage.Prompt ?? "").Select(match => match.Groups[1].Value)];
        if (named.FirstOrDefault(name => inputs.All(input => input.From != name)) is { } unknown)
            Add($"{field}.prompt", $"{{{{{unknown}}}}} is no input of the stage");
        if (stage.Prompt is not null && inputs.FirstOrDefault(input => !named.Contains(input.From)) is { } unused)
            Add($"{field}.prompt", $"says nothing of the input '{unused.From}': put {{{{{unused.From}}}}} where it belongs");
    }

    private void Add(string field, string message)
    {
        if (!_problems.Contains(new(field, message)))
            _problems.Add(new(field, message));
    }

    /// <summary><c>{{name}}</c> in a prompt.</summary>
    [GeneratedRegex(@"\{\{\s*([a-z][-a-z0-9]*)\s*\}\}")]
    public static partial Regex Placeholder();
}
