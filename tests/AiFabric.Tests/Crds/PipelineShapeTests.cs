using AiFabric.Crds.Pipelines;
using Xunit;

namespace AiFabric.Tests.Crds;

public sealed class PipelineShapeTests
{
    [Fact]
    public void A_pipeline_in_any_order_of_its_stages_is_sorted_and_its_depths_are_known()
    {
        PipelineShape shape = PipelineShape.Of(Spec(
            Join("report", new InputSpec { From = "check" }), Model("check", new InputSpec { From = "answer", Emit = EmitBy.Sentence }), Model("answer")));

        Assert.Empty(shape.Problems);
        Assert.Equal(["answer", "check", "report"], shape.Order.Select(stage => stage.Name));
        Assert.Equal([0, 1, 0], shape.Order.Select(stage => shape.DepthOf(stage.Name)));
    }

    [Fact]
    public void Inputs_that_cut_the_same_text_the_same_way_belong_together_and_others_do_not()
    {
        StageSpec[] stages = [Model("answer"), Model("a", Cut("answer", EmitBy.Sentence)), Model("b", Cut("answer", EmitBy.Sentence)), Model("c", Cut("answer", EmitBy.JsonElement))];

        Assert.Empty(PipelineShape.Of(Spec([.. stages, Both("a", "b"), Join("report", new InputSpec { From = "both" })])).Problems);
        ShapeProblem problem = Assert.Single(PipelineShape.Of(Spec([.. stages, Both("a", "c"), Join("report", new InputSpec { From = "both" })])).Problems);
        Assert.Equal(("spec.stages[both].inputs", "the inputs are parts of different splits: join one of them first"), (problem.Field, problem.Message));
    }

    public static TheoryData<string, string, StageSpec[]> Broken => new()
    {
        { "spec.stages[a]", "two stages have this name", [Model("a"), Model("a"), Model("report")] },
        { "spec.stages[report].inputs", "no stage 'nobody'", [Model("report", new InputSpec { From = "nobody" })] },
        { "spec.output.from", "no stage 'report'", [Model("a")] },
        { "spec.stages", "go in a circle", [Model("report", new InputSpec { From = "a" }), Model("a", new InputSpec { From = "report" })] },
        { "spec.output.from", "many texts for one request", [Model("report", Cut("request", EmitBy.Sentence))] },
        { "spec.stages[report].inputs[request].emit", "needs whole texts", [Model("report", Cut("request", EmitBy.Token))] },
        { "spec.stages[report].inputs[request].join", "nothing to join", [Model("report", new InputSpec { From = "request", Join = JoinPolicy.All })] },
        { "spec.stages[report].inputs", "nothing to join", [Join("report", new InputSpec { From = "request" })] },
        { "spec.stages[report].prompt", "{{other}} is no input", [Prompted("report", "{{request}} {{other}}", new InputSpec { From = "request" })] },
        { "spec.stages[report].prompt", "says nothing of the input 'request'", [Prompted("report", "Hello", new InputSpec { From = "request" })] },
        {
            "spec.stages[report].prompt", "is needed with several inputs",
            [Model("a"), Model("report", new InputSpec { From = "a" }, new InputSpec { From = "request" })]
        },
        { "spec.stages[report].aggregation", "have no group", [Fold("report", null, new InputSpec { From = "request" })] },
        { "spec.stages[report].aggregation.keyFrom", "no stage 'nobody'", [Fold("report", "nobody", Cut("request", EmitBy.Sentence))] },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void What_does_not_fit_is_named_with_its_field(string field, string message, StageSpec[] stages)
    {
        ShapeProblem problem = Assert.Single(PipelineShape.Of(Spec(stages)).Problems);
        Assert.Equal(field, problem.Field);
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_function_gathers_over_as_many_levels_as_its_key_says()
    {
        StageSpec[] nested = [Model("claims", Cut("request", EmitBy.Sentence)), Model("queries", Cut("claims", EmitBy.Sentence))];
        Assert.Equal(1, PipelineShape.Of(Spec([.. nested, Fold("inner", null, new InputSpec { From = "queries" }), Join("report", new InputSpec { From = "inner" })])).DepthOf("inner"));
        Assert.Equal(0, PipelineShape.Of(Spec([.. nested, Fold("report", "request", new InputSpec { From = "queries" })])).DepthOf("report"));
    }

    private static PipelineSpec Spec(params StageSpec[] stages) => new() { Stages = stages, Output = new PipelineOutput { From = "report" } };

    private static StageSpec Model(string name, params InputSpec[] inputs) =>
        new() { Name = name, ModelRef = new ModelStageSpec { Name = "demo" }, Inputs = inputs.Length > 0 ? inputs : null };

    private static StageSpec Prompted(string name, string prompt, params InputSpec[] inputs)
    {
        StageSpec stage = Model(name, inputs);
        stage.Prompt = prompt;
        return stage;
    }

    private static StageSpec Join(string name, params InputSpec[] inputs) => new() { Name = name, Join = new JoinSpec(), Inputs = inputs };

    private static StageSpec Both(string one, string other) => Prompted("both", $"{{{{{one}}}}} {{{{{other}}}}}", new InputSpec { From = one }, new InputSpec { From = other });

    private static StageSpec Fold(string name, string? key, InputSpec input) =>
        new() { Name = name, FunctionRef = new FunctionSpec { Image = "f" }, Aggregation = new AggregationSpec { KeyFrom = key }, Inputs = [input] };

    private static InputSpec Cut(string from, EmitBy emit) => new() { From = from, Emit = emit };
}
