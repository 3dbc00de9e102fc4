using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Validation;

namespace AiFabric.Operator.Webhooks;

/// <summary>The kinds that are reviewed, by plural.</summary>
internal static class Kinds
{
    public const string CoServedModels = "coservedmodels";
    public const string Adapters = "adapters";
    public const string FinetuneJobs = "finetunejobs";
    public const string Pipelines = "pipelines";

    public static IReadOnlyDictionary<string, IValidatingReview> Reviews { get; } = new Dictionary<string, IValidatingReview>
    {
        [CoServedModels] = new ValidatingReview<CoServedModel>(ModelRules.All, ReferenceRules.Of, hasTemplate: true),
        [Adapters] = new ValidatingReview<Adapter>(AdapterRules.All, ReferenceRules.Of),
        [FinetuneJobs] = new ValidatingReview<FinetuneJob>(FinetuneRules.All, ReferenceRules.Of),
        [Pipelines] = new ValidatingReview<Pipeline>(PipelineRules.All, ReferenceRules.Of),
    };
}
