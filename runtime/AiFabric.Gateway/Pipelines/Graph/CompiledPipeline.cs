using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Pipelines.Text;

namespace AiFabric.Gateway.Pipelines.Graph;

/// <summary>A Pipeline resource, ready to run: its graph, and the stage behind each node that somebody is called for.</summary>
public sealed class CompiledPipeline
{
    private readonly List<GraphNode> _nodes = [new() { Stage = PipelineShape.Request, Kind = NodeKind.Source }];
    private readonly List<StageSpec?> _stages = [null];
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal) { [PipelineShape.Request] = 0 };

    private CompiledPipeline(PipelineSpec spec, PipelineShape shape)
    {
        Spec = spec;
        foreach (StageSpec stage in shape.Order)
            _ids[stage.Name] = Add(NodeOf(stage, shape), stage);
        Graph = new PipelineGraph(_nodes, _ids[spec.Output.From]);
    }

    public PipelineSpec Spec { get; }

    public PipelineGraph Graph { get; }

    /// <summary>Null when the stages do not fit together; <see cref="PipelineShape.Problems"/> says why.</summary>
    public static CompiledPipeline? TryCompile(PipelineSpec spec)
    {
        PipelineShape shape = PipelineShape.Of(spec);
        return shape.Problems.Count == 0 ? new CompiledPipeline(spec, shape) : null;
    }

    /// <summary>The stage whose result the node is; null for the request and for what cuts and joins on the way.</summary>
    public StageSpec? StageOf(int node) => _stages[node];

    private GraphNode NodeOf(StageSpec stage, PipelineShape shape)
    {
        var node = new GraphNode
        {
            Stage = stage.Name,
            Kind = NodeKind.Call,
            Inputs = [.. PipelineShape.InputsOf(stage).Select(input => Inlet(stage, input))],
            MaxInFlight = stage.MaxInFlight ?? 8,
            IsSoft = stage.Dependency == StageDependency.Soft,
        };
        if (stage.Split is { } split)
            return node with { Kind = NodeKind.Split, Cut = new CutRule((CutKind)(split.By ?? CutBy.Sentence), split.Delimiter ?? "\n"), MaxItems = split.MaxItems ?? 1_000 };
        if (stage.Join is { } join)
            return node with { Kind = NodeKind.Join, Join = RuleOf(join.Policy ?? JoinPolicy.All, join) };
        if (stage.Filter is { } filter)
        {
            FilterKind kind = filter.StartsWith is null ? FilterKind.Contains : FilterKind.StartsWith;
            return node with { Kind = NodeKind.Filter, Filter = new FilterRule(kind, filter.StartsWith ?? filter.Contains ?? "", filter.Negate ?? false) };
        }
        return PipelineShape.IsFold(stage) ? node with { Kind = NodeKind.Fold, GroupDepth = shape.DepthOf(stage.Name) } : node;
    }

    /// <summary>The node that an input leads from, with what cuts and joins on its way.</summary>
    private int Inlet(StageSpec stage, InputSpec input)
    {
        int from = _ids[input.From];
        if (PipelineShape.CutOf(input) is { } name)
        {
            if (!_ids.TryGetValue(name, out int cut))
                _ids[name] = cut = Add(new GraphNode { Stage = input.From, Kind = NodeKind.Split, Inputs = [from], Cut = new CutRule(CutOf(input.Emit), input.Delimiter ?? "\n") });
            from = cut;
        }
        // What needs no whole texts is made to wait for them by a filter that lets all pass.
        if (input.Emit == EmitBy.Full && !PipelineShape.IsCalled(stage))
            from = Add(new GraphNode { Stage = input.From, Kind = NodeKind.Filter, Inputs = [from], Filter = new FilterRule(FilterKind.Contains, "") });
        return input.Join is { } policy ? Add(new GraphNode { Stage = stage.Name, Kind = NodeKind.Join, Inputs = [from], Join = RuleOf(policy, new JoinSpec()) }) : from;
    }

    private int Add(GraphNode node, StageSpec? stage = null)
    {
        _nodes.Add(node);
        _stages.Add(stage);
        return _nodes.Count - 1;
    }

    private static CutKind CutOf(EmitBy? emit) => emit switch
    {
        EmitBy.Delimiter => CutKind.Delimiter,
        EmitBy.JsonElement => CutKind.JsonElement,
        _ => CutKind.Sentence,
    };

    private static JoinRule RuleOf(JoinPolicy policy, JoinSpec join) => new(
        policy switch { JoinPolicy.Any or JoinPolicy.First => 1, JoinPolicy.Count => join.Count ?? 1, _ => int.MaxValue },
        policy != JoinPolicy.Any && join.Order != JoinOrder.Completed, join.Separator ?? "\n");
}
