using System.Reflection;
using AiFabric.Crds.Abstractions;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Validation;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class ValidationTests
{
    /// <summary>For each rule an object that breaks it and no other: field → change.</summary>
    private static readonly (string Field, Action<CoServedModel> Break)[] BrokenModels =
    [
        ("metadata.name", model => model.Metadata.Name = "9lives"),
        ("metadata.name", model => model.Metadata.Name = "dotted.name"),
        ("metadata.name", model => model.Metadata.Name = new string('a', 64)),
        ("spec.model.uri", model => model.Spec.Model.Uri = "s3:///model"),
        ("spec.replicas", model => (model.Spec.Replicas, model.Spec.Scaling) = (1, new ScalingSpec { MaxReplicas = 2 })),
        ("spec.model.revision", model => (model.Spec.Model.Uri, model.Spec.Model.Revision) = ("hf://org/name@v1", "v2")),
        ("spec.model.credentialsSecretRef.name", model => model.Spec.Model.CredentialsSecretRef = new LocalReference { Name = "Not A Name" }),
        ("spec.scaling", model => model.Spec.Scaling = new ScalingSpec { MinReplicas = 3, MaxReplicas = 2 }),
        ("spec.speculative", model => model.Spec.Speculative = new SpeculativeSpec { Method = SpeculativeMethod.PromptLookup, PromptLookupMin = 5 }),
        ("spec.routing", model => model.Spec.Routing = new RoutingSpec { Canary = Traffic("next", "french"), Mirror = Traffic("next", "french") }),
        ("spec.routing.canary.modelRef", model => model.Spec.Routing = new RoutingSpec { Canary = Traffic(model.Metadata.Name) }),
        ("spec.routing.mirror.modelRef", model => model.Spec.Routing = new RoutingSpec { Mirror = Traffic(model.Metadata.Name) }),
        ("spec.template.metadata.labels", model => Template(model).Metadata.Labels = new Dictionary<string, string> { ["aifabric.io/model"] = "other" }),
        ("spec.template.metadata.annotations", model =>
            Template(model).Metadata.Annotations = new Dictionary<string, string> { ["aifabric.io/served-name"] = "other" }),
        ("spec.template.spec.restartPolicy", model => Template(model).Spec.RestartPolicy = "Never"),
        ("spec.template.spec.containers[worker]", model => Worker(model).Args = ["serve"]),
        ("spec.template.spec.containers[worker]", model => Worker(model).ReadinessProbe = new V1Probe()),
        ("spec.template.spec.containers[worker].env", model => Worker(model).Env = [new V1EnvVar { Name = "POD_IP", Value = "1.2.3.4" }]),
        ("spec.resources", model =>
            (model.Spec.Resources, Worker(model).Resources) = (new V1ResourceRequirements(), new V1ResourceRequirements())),
    ];

    private static readonly (string Field, Action<Adapter> Break)[] BrokenAdapters =
    [
        ("spec.modelRef.name", adapter => adapter.Spec.ModelRef.Name = "Not A Name"),
        ("spec.source", adapter => adapter.Spec.Source.Uri = null),
        ("spec.source", adapter => adapter.Spec.Source.FinetuneJobRef = new LocalReference { Name = "job" }),
        ("spec.source.uri", adapter => adapter.Spec.Source.Uri = "hf://adapter"),
        ("spec.digest", adapter => adapter.Spec.Digest = "sha256:ABC"),
    ];

    private static readonly (string Field, Action<FinetuneJob> Break)[] BrokenJobs =
    [
        ("metadata.name", job => job.Metadata.Name = new string('a', 64)),
        ("spec.modelRef.name", job => job.Spec.ModelRef.Name = string.Empty),
        ("spec.dataset.uri", job => job.Spec.Dataset.Uri = "https:///data.jsonl"),
        ("spec.dataset.evalUri", job => job.Spec.Dataset.EvalUri = "relative/path"),
        ("spec.checkpoint.uri", job => job.Spec.Checkpoint = new() { Uri = "s3://bucket" }),
        ("spec.output.uri", job => job.Spec.Output.Uri = "hf://org/repo"),
        ("spec.output.adapterName", job => job.Spec.Output.AdapterName = "a.b"),
        ("spec.lora.targetModules", job => job.Spec.Lora = new() { TargetModules = ["q_proj", "lm_head"] }),
        ("spec.lora.targetModules", job => job.Spec.Lora = new() { TargetModules = ["q_proj", "q_proj"] }),
        ("spec.lora.targetModules", job => job.Spec.Lora = new() { TargetModules = [] }),
        ("spec.lora", job => (job.Spec.Method, job.Spec.Lora) = (FinetuneMethod.IA3, new() { Rank = 4 })),
        ("spec.lora.dropout", job => job.Spec.Lora = new() { Dropout = "1" }),
        ("spec.dpo", job => job.Spec.Dpo = new() { Beta = "0.1" }),
        ("spec.dpo.beta", job => (job.Spec.Objective, job.Spec.Dataset.Format, job.Spec.Dpo) = (FinetuneObjective.DPO, DatasetFormat.Preference, new() { Beta = "0" })),
        ("spec.objective", job => job.Spec.Objective = FinetuneObjective.DPO),
        ("spec.objective", job => job.Spec.Dataset.Format = DatasetFormat.Preference),
        ("spec.dataset.evalFraction", job => job.Spec.Dataset.EvalFraction = "1.0"),
        ("spec.dataset.evalFraction", job => (job.Spec.Dataset.EvalUri, job.Spec.Dataset.EvalFraction) = ("file:///eval.jsonl", "0.1")),
        ("spec.earlyStopping.patience", job => job.Spec.EarlyStopping = new() { Patience = 0 }),
        ("spec.earlyStopping.minDelta", job => job.Spec.EarlyStopping = new() { Patience = 1, MinDelta = "-1" }),
        ("spec.hyperparameters.learningRate", job => job.Spec.Hyperparameters = new() { LearningRate = "0" }),
        ("spec.hyperparameters.learningRate", job => job.Spec.Hyperparameters = new() { LearningRate = "fast" }),
        ("spec.hyperparameters.weightDecay", job => job.Spec.Hyperparameters = new() { WeightDecay = "1e999" }),
        ("spec.hyperparameters.maxGradientNorm", job => job.Spec.Hyperparameters = new() { MaxGradientNorm = "0.0" }),
    ];

    private static readonly (string Field, Action<Pipeline> Break)[] BrokenPipelines =
    [
        ("metadata.name", pipeline => pipeline.Metadata.Name = "9lives"),
        ("spec.stages.name", pipeline => Add(pipeline, new StageSpec { Name = new string('a', 60), FunctionRef = new FunctionSpec { Image = "f" } })),
        ("spec.stages.name", pipeline => pipeline.Spec.Stages.Add(new StageSpec { Name = "request", ModelRef = new ModelStageSpec { Name = "demo" } })),
        ("spec.stages", pipeline => Add(pipeline, new StageSpec { Name = "nothing" })),
        ("spec.stages.prompt", pipeline => Add(pipeline, new StageSpec { Name = "f", FunctionRef = new FunctionSpec { Image = "f" }, Prompt = "Hello" })),
        ("spec.stages.aggregation", pipeline => Add(pipeline, new StageSpec { Name = "m", ModelRef = new ModelStageSpec { Name = "demo" }, Aggregation = new AggregationSpec() })),
        ("spec.stages.split", pipeline => Add(pipeline, new StageSpec { Name = "s", Split = new SplitSpec { By = CutBy.Sentence, Delimiter = ";" } })),
        ("spec.stages.join", pipeline => Add(pipeline, new StageSpec { Name = "j", Join = new JoinSpec { Count = 2 }, Inputs = [new InputSpec { From = "request", Emit = EmitBy.Sentence }] })),
        ("spec.stages.filter", pipeline => Add(pipeline, new StageSpec { Name = "f", Filter = new FilterSpec() })),
        ("spec.stages.inputs.delimiter", pipeline =>
            Add(pipeline, new StageSpec { Name = "m", ModelRef = new ModelStageSpec { Name = "demo" }, Inputs = [new InputSpec { From = "request", Delimiter = ";" }] })),
        ("spec.stages.inputs.join", pipeline => Add(pipeline, new StageSpec
        {
            Name = "m", ModelRef = new ModelStageSpec { Name = "demo" }, Inputs = [new InputSpec { From = "request", Emit = EmitBy.Sentence, Join = JoinPolicy.Count }],
        })),
        ("spec", pipeline => pipeline.Spec.Output.From = "nobody"),
    ];

    [Fact]
    public void Every_broken_field_is_named_and_nothing_else()
    {
        Check(ModelRules.All, BrokenModels, () => Make.Model());
        Check(AdapterRules.All, BrokenAdapters, () => Make.Adapter());
        Check(FinetuneRules.All, BrokenJobs, () => Make.Job());
        Check(PipelineRules.All, BrokenPipelines, () => Make.Pipeline(new StageSpec { Name = "answer", ModelRef = new ModelStageSpec { Name = "demo" } }));
    }

    [Fact]
    public void Sound_objects_break_no_rule()
    {
        Assert.Empty(ModelRules.All.Check(Make.Model(spec => spec.Scaling = new ScalingSpec { MinReplicas = 2, MaxReplicas = 2 })));
        Assert.Empty(ModelRules.All.Check(Make.Model(spec => spec.Speculative = new SpeculativeSpec { PromptLookupMin = 4, PromptLookupMax = 4 })));
        Assert.Empty(ModelRules.All.Check(Make.Model(spec => spec.Model.Uri = "pvc://weights/llama")));
        Assert.Empty(ModelRules.All.Check(Make.Model(spec => spec.Model = new ModelSource { Uri = "hf://org/name@v1", Revision = "v1" })));
        Assert.Empty(AdapterRules.All.Check(Make.Adapter()));
        Assert.Empty(FinetuneRules.All.Check(Make.Job(spec =>
        {
            spec.Lora = new() { TargetModules = [.. FinetuneRules.TargetModules] };
            spec.Hyperparameters = new() { LearningRate = "5e-4", WeightDecay = "0", MaxGradientNorm = "1.0" };
        })));
        Assert.Empty(FinetuneRules.All.Check(Make.Job(spec =>
        {
            (spec.Objective, spec.Dataset.Format, spec.Dpo) = (FinetuneObjective.DPO, DatasetFormat.Preference, new() { Beta = "0.2" });
            (spec.Method, spec.Dataset.EvalFraction, spec.EarlyStopping) = (FinetuneMethod.IA3, "0.25", new() { Patience = 2, MinDelta = "0.01" });
        })));
    }

    [Fact]
    public void Every_rule_of_the_schema_is_mirrored()
    {
        string[] mirrored =
        [
            .. Messages(ModelRules.All), .. Messages(AdapterRules.All), .. Messages(FinetuneRules.All), .. Messages(PipelineRules.All),
        ];
        Type[] types = typeof(CoServedModel).Assembly.GetTypes();
        IEnumerable<string> declared = types.SelectMany(type => type.GetCustomAttributes<ValidationRuleAttribute>())
            .Concat(types.SelectMany(type => type.GetProperties()).SelectMany(property => property.GetCustomAttributes<ValidationRuleAttribute>()))
            .Select(rule => rule.Message);
        Assert.Empty(declared.Except(mirrored));
    }

    [Theory]
    [InlineData("spec.modelRef")]
    [InlineData("spec.lora")]
    [InlineData("spec.method")]
    [InlineData("spec.objective")]
    [InlineData("spec.dpo")]
    [InlineData("spec.earlyStopping")]
    [InlineData("spec.dataset")]
    [InlineData("spec.hyperparameters")]
    [InlineData("spec.output")]
    [InlineData("spec.checkpoint.uri")]
    public void A_changed_immutable_field_is_noticed_and_named(string field)
    {
        FinetuneJob job = Make.Job();
        Note(FinetuneRules.All, job);
        Assert.Empty(AcceptedSpec.Changes(FinetuneRules.All, job));
        Dictionary<string, Action> changes = new()
        {
            ["spec.modelRef"] = () => job.Spec.ModelRef.Name = "other",
            ["spec.lora"] = () => job.Spec.Lora = new() { Rank = 8 },
            ["spec.method"] = () => job.Spec.Method = FinetuneMethod.IA3,
            ["spec.objective"] = () => job.Spec.Objective = FinetuneObjective.DPO,
            ["spec.dpo"] = () => job.Spec.Dpo = new() { Beta = "0.3" },
            ["spec.earlyStopping"] = () => job.Spec.EarlyStopping = new() { Patience = 3 },
            ["spec.dataset"] = () => job.Spec.Dataset.Uri = "file:///other",
            ["spec.hyperparameters"] = () => job.Spec.Hyperparameters = new() { Epochs = 2 },
            ["spec.output"] = () => job.Spec.Output.AdapterName = "other",
            ["spec.checkpoint.uri"] = () => job.Spec.Checkpoint = new() { IntervalSteps = 3, Uri = "file:///other" },
        };
        changes[field]();
        Violation violation = Assert.Single(AcceptedSpec.Changes(FinetuneRules.All, job));
        Assert.Equal(field, violation.Field);
    }

    [Fact]
    public void A_copy_is_held_to_its_own_spec_and_not_to_that_of_its_original()
    {
        FinetuneJob copy = Make.Job();
        Note(FinetuneRules.All, copy);
        Assert.Null(AcceptedSpec.Patch(FinetuneRules.All, copy, isNew: true));
        copy.Spec.Hyperparameters = new() { Epochs = 2 }; // kubectl get -o yaml, edit, create: the annotations come along.

        string noted = AcceptedSpec.Patch(FinetuneRules.All, copy, isNew: true)!["metadata"]!["annotations"]![AcceptedSpec.Annotation]!.GetValue<string>();
        Assert.Equal(AcceptedSpec.Describe(FinetuneRules.All, copy), noted);
        Assert.Null(AcceptedSpec.Patch(FinetuneRules.All, copy, isNew: false));
    }

    [Fact]
    public void Mutable_fields_may_change()
    {
        FinetuneJob job = Make.Job();
        Note(FinetuneRules.All, job);
        (job.Spec.Suspend, job.Spec.BackoffLimit, job.Spec.Checkpoint) = (true, 1, new() { IntervalSteps = 3 });
        Assert.Empty(AcceptedSpec.Changes(FinetuneRules.All, job));
    }

    [Fact]
    public void What_was_noted_before_a_field_became_immutable_is_no_change_of_it()
    {
        FinetuneJob job = Make.Job();
        Note(FinetuneRules.All with { Immutable = [.. FinetuneRules.All.Immutable.Where(field => field.Field != "spec.checkpoint.uri")] }, job);
        job.Spec.Checkpoint = new() { Uri = "file:///checkpoints" };
        Assert.Empty(AcceptedSpec.Changes(FinetuneRules.All, job));
    }

    private static TrafficSpec Traffic(string model, string? adapter = null) => new() { ModelRef = new TrafficTarget { Name = model, Adapter = adapter }, Percent = 10 };

    private static void Add(Pipeline pipeline, StageSpec stage) => pipeline.Spec.Stages.Add(stage);

    private static void Note<T>(RuleSet<T> rules, T entity)
        where T : k8s.IKubernetesObject<V1ObjectMeta> =>
        entity.Metadata.Annotations = new Dictionary<string, string> { [AcceptedSpec.Annotation] = AcceptedSpec.Describe(rules, entity) };

    private static IEnumerable<string> Messages<T>(RuleSet<T> rules) =>
        rules.Rules.Select(rule => rule.CelMessage).OfType<string>().Concat(rules.Immutable.Select(field => field.CelMessage));

    private static void Check<T>(RuleSet<T> rules, (string Field, Action<T> Break)[] table, Func<T> sound)
    {
        Assert.Empty(rules.Rules.Select(rule => rule.Field).Except(table.Select(entry => entry.Field)));
        foreach ((string field, Action<T> breakIt) in table)
        {
            T entity = sound();
            breakIt(entity);
            Violation violation = Assert.Single(rules.Check(entity));
            Assert.Equal(field, violation.Field);
        }
    }

    private static V1PodTemplateSpec Template(CoServedModel model) => model.Spec.Template ??= new V1PodTemplateSpec
    {
        Metadata = new V1ObjectMeta(),
        Spec = new V1PodSpec { Containers = [] },
    };

    private static V1Container Worker(CoServedModel model)
    {
        V1PodSpec pod = Template(model).Spec;
        if (pod.Containers.Count == 0)
            pod.Containers.Add(new V1Container { Name = "worker" });
        return pod.Containers[0];
    }
}
