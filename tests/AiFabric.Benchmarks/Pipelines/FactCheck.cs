using System.Text;
using AiFabric.Crds.Pipelines;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>
/// A verification pipeline in FacTool's shape (answer → claims → query → retrieval → verdict → summary), and how long an emulated stage takes. Only
/// times are emulated: the graph, and what runs when, are the gateway's.
/// </summary>
internal static class FactCheck
{
    /// <summary>A token of any model, whatever else its server does: within its slots a server decodes all sequences at this pace.</summary>
    public const double TokenSeconds = 0.010;

    /// <summary>From a call's begin on a slot to its first token.</summary>
    public const double PromptSeconds = 0.050;

    public const double SearchSeconds = 0.300;
    public const int ModelSlots = 32;
    public const int SearchSlots = 16;
    public const int TokensPerClaim = 20;
    public const int FewestClaims = 4;
    public const int MostClaims = 12;

    /// <summary>Calls of one request at a time, for each stage that works on claims.</summary>
    public const int InFlight = 4;

    /// <summary>Tokens that a call of this stage makes; the answer's depend on its claims.</summary>
    public static int Tokens(string stage, int claims) => stage switch
    {
        "answer" => claims * TokensPerClaim,
        "query" => 20,
        "verdict" => 30,
        _ => 40,
    };

    public static PipelineSpec Spec(PipelineExecution execution) => new()
    {
        Execution = execution,
        Stages =
        [
            Model("answer"),
            new StageSpec { Name = "claims", Split = new SplitSpec { By = CutBy.Sentence }, Inputs = [new InputSpec { From = "answer" }] },
            Model("query", new InputSpec { From = "claims" }),
            new StageSpec { Name = "retrieval", FunctionRef = new FunctionSpec { Image = "search" }, MaxInFlight = InFlight, Inputs = [new InputSpec { From = "query" }] },
            new StageSpec
            {
                Name = "verdict",
                ModelRef = new ModelStageSpec { Name = "model" },
                Prompt = "{{claims}} {{retrieval}}",
                MaxInFlight = InFlight,
                Inputs = [new InputSpec { From = "claims" }, new InputSpec { From = "retrieval" }],
            },
            Model("summary", new InputSpec { From = "verdict", Join = JoinPolicy.All }),
        ],
        Output = new PipelineOutput { From = "summary" },
    };

    /// <summary>The pieces in which a stage's text comes, each with the tokens that are made by then.</summary>
    public static IReadOnlyList<(int Tokens, string Text)> Pieces(string stage, int claims)
    {
        int tokens = Tokens(stage, claims);
        if (stage != "answer")
            return [(1, stage), (tokens, " done.")];
        var pieces = new List<(int, string)>();
        for (int claim = 1; claim <= claims; claim++)
            pieces.Add((claim * TokensPerClaim, new StringBuilder("Claim ").Append(claim).Append(". ").ToString()));
        return pieces;
    }

    private static StageSpec Model(string name, params InputSpec[] inputs) =>
        new() { Name = name, ModelRef = new ModelStageSpec { Name = "model" }, MaxInFlight = InFlight, Inputs = inputs.Length > 0 ? inputs : null };
}
