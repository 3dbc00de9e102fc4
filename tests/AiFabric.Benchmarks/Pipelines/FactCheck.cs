using System.Text;
using AiFabric.Crds.Pipelines;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>What one request makes of every stage: an answer of <see cref="FactoolTrace"/> with drawn sizes of evidence and verdicts.</summary>
internal sealed class CheckedRequest
{
    private readonly int[] _verdictTokens;
    private readonly int[] _evidenceTokens;

    public CheckedRequest(Random random)
    {
        Answer = FactoolTrace.Answers[random.Next(FactoolTrace.Answers.Length)];
        _verdictTokens = [.. Enumerable.Range(0, Answer.Claims).Select(_ => FactoolTrace.VerdictTokens[random.Next(10)])];
        _evidenceTokens = [.. Enumerable.Range(0, Answer.Claims).Select(_ => FactoolTrace.EvidenceTokens[random.Next(10)])];
    }

    public CheckedAnswer Answer { get; }

    /// <summary>Claims of one sentence: spread over the sentences as evenly as they can be.</summary>
    public int ClaimsOf(int sentence) => FirstClaim(sentence + 1) - FirstClaim(sentence);

    public bool IsTrue(int sentence, int claim) => Answer.Verdicts[FirstClaim(sentence) + claim] == 'T';

    public int VerdictTokens(int sentence, int claim) => _verdictTokens[FirstClaim(sentence) + claim];

    public int EvidenceTokens(int sentence, int claim) => _evidenceTokens[FirstClaim(sentence) + claim];

    private int FirstClaim(int sentence) => sentence * Answer.Claims / Answer.Sentences;
}

/// <summary>What is made of the verdicts.</summary>
internal enum Aggregate
{
    /// <summary>FacTool's: an answer is true if all its claims are. The output is the first verdict that says false, empty when none does.</summary>
    AllTrue,

    /// <summary>Every verdict is wanted, in the order of the claims.</summary>
    EveryVerdict,
}

/// <summary>
/// A verification pipeline in FacTool's shape: answer → claims of each sentence → two queries for each claim → search → verdict on each claim → aggregate. Only times and texts are emulated: the
/// graph, and what runs when, are the gateway's.
/// </summary>
internal static class FactCheck
{
    public const double SearchSeconds = 0.300;

    /// <summary>Searches at a time of one instance.</summary>
    public const int SearchPlaces = 8;

    public const string Search = "search";

    /// <summary>Instances of each stage, a GPU each but for the search.</summary>
    public static IReadOnlyDictionary<string, int> Instances { get; } =
        new Dictionary<string, int> { ["answer"] = 1, ["claims"] = 1, ["query"] = 1, [Search] = 4, ["verdict"] = 2 };

    private const string False = "False";

    public static PipelineSpec Spec(PipelineExecution execution, Aggregate aggregate) => new()
    {
        Execution = execution,
        Stages =
        [
            Model("answer"),
            Model("claims", new InputSpec { From = "answer", Emit = EmitBy.Sentence }),
            Model("query", new InputSpec { From = "claims", Emit = EmitBy.JsonElement }),
            new StageSpec
            {
                Name = Search,
                FunctionRef = new FunctionSpec { Image = Search, Concurrency = SearchPlaces },
                MaxInFlight = Unbounded,
                Inputs = [new InputSpec { From = "query", Emit = EmitBy.JsonElement }],
            },
            new StageSpec
            {
                Name = "verdict",
                ModelRef = new ModelStageSpec { Name = "model" },
                Prompt = "{{claims}} {{search}}",
                MaxInFlight = Unbounded,
                Inputs = [new InputSpec { From = "claims", Emit = EmitBy.JsonElement }, new InputSpec { From = Search, Join = JoinPolicy.All }],
            },
            .. aggregate == Aggregate.EveryVerdict ? [Join("sentence", "verdict", JoinPolicy.All), Join("report", "sentence", JoinPolicy.All)] : FirstFalse(),
        ],
        Output = new PipelineOutput { From = "report" },
    };

    /// <summary>The first false verdict of a sentence, and of those the first.</summary>
    private static StageSpec[] FirstFalse() =>
    [
        Filter("false", "verdict"), Join("sentence", "false", JoinPolicy.Any), Filter("false-sentence", "sentence"), Join("report", "false-sentence", JoinPolicy.Any),
    ];

    private static StageSpec Filter(string name, string from) => new() { Name = name, Filter = new FilterSpec { Contains = False }, Inputs = [new InputSpec { From = from }] };

    private static StageSpec Join(string name, string from, JoinPolicy policy) => new() { Name = name, Join = new JoinSpec { Policy = policy }, Inputs = [new InputSpec { From = from }] };

    /// <summary>FacTool asks for all claims of an answer at once.</summary>
    private const int Unbounded = 1_000;

    /// <summary>Tokens of a call's prompt: those that all calls of the stage begin with, and its own.</summary>
    public static (int Shared, int Own) Prompt(CheckedRequest request, string stage, IReadOnlyList<int> path) => stage switch
    {
        "answer" => (0, FactoolTrace.Question),
        "claims" => (FactoolTrace.ExtractionPrompt, Math.Max(1, request.Answer.Tokens / request.Answer.Sentences)),
        "query" => (FactoolTrace.QueryPrompt, FactoolTrace.Claim),
        _ => (FactoolTrace.VerdictPrompt, FactoolTrace.Claim + request.EvidenceTokens(path[0], path[1])),
    };

    /// <summary>The pieces in which a model's text comes, each with the tokens that are made by then.</summary>
    public static IReadOnlyList<(int Tokens, string Text)> Pieces(CheckedRequest request, string stage, IReadOnlyList<int> path) => stage switch
    {
        "answer" => [.. Enumerable.Range(1, request.Answer.Sentences).Select(i => (Math.Max(i, i * request.Answer.Tokens / request.Answer.Sentences), $"Sentence {i}. "))],
        "claims" => List(request.ClaimsOf(path[0]), FactoolTrace.Claim),
        "query" => List(2, FactoolTrace.Query),
        _ => [(1, "Because "), (request.VerdictTokens(path[0], path[1]), $"of that: {request.IsTrue(path[0], path[1])}")],
    };

    /// <summary>A JSON list, an element at a time.</summary>
    private static List<(int Tokens, string Text)> List(int elements, int tokens)
    {
        if (elements == 0)
            return [(2, "[]")];
        var pieces = new List<(int, string)>();
        for (int i = 1; i <= elements; i++)
            pieces.Add((i * tokens, new StringBuilder(i == 1 ? "[" : "").Append('"').Append(i).Append(i == elements ? "\"]" : "\",").ToString()));
        return pieces;
    }

    private static StageSpec Model(string name, params InputSpec[] inputs) => new()
    {
        Name = name,
        ModelRef = new ModelStageSpec { Name = "model" },
        MaxInFlight = Unbounded,
        Inputs = inputs.Length > 0 ? inputs : null,
    };
}
