using System.Globalization;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Storage;

namespace AiFabric.Operator.Validation;

/// <summary>Rules for FinetuneJobs.</summary>
internal static class FinetuneRules
{
    /// <summary>Linear layers that can carry an adapter, by PEFT's names.</summary>
    public static IReadOnlyList<string> TargetModules { get; } =
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

    public static RuleSet<FinetuneJob> All { get; } = new(
        [
            new("metadata.name", job => job.Metadata.Name.Length <= 63 ? null : "must have at most 63 characters, for the Adapter carries it as a label"),
            new("spec.modelRef.name", job => Names.IsSubdomain(job.Spec.ModelRef.Name) ? null : "must be the name of a CoServedModel"),
            new("spec.dataset.uri", job => UriRule.Broken(job.Spec.Dataset.Uri)),
            new("spec.dataset.evalUri", job => UriRule.BrokenIfSet(job.Spec.Dataset.EvalUri)),
            new("spec.checkpoint.uri", job => UriRule.BrokenTarget(job.Spec.Checkpoint?.Uri)),
            new("spec.output.uri", job => UriRule.BrokenTarget(job.Spec.Output.Uri)),
            new("spec.output.adapterName", job => Names.IsSubdomain(job.Spec.Output.AdapterName) && !job.Spec.Output.AdapterName.Contains('.')
                ? null
                : "must have at most 63 of a-z, 0-9 and '-'"),
            new(
                "spec.lora",
                job => job.Spec.Lora is null || job.Spec.Method is null or FinetuneMethod.LoRA ? null : "belongs to method LoRA",
                CelMessage: "lora belongs to method LoRA"),
            new("spec.dpo", job => job.Spec.Dpo is null || IsDpo(job) ? null : "belongs to objective DPO", CelMessage: "dpo belongs to objective DPO"),
            new(
                "spec.objective",
                job => IsDpo(job) == (job.Spec.Dataset.Format == DatasetFormat.Preference) ? null : "DPO and dataset.format Preference belong together",
                CelMessage: "objective DPO and dataset.format Preference belong together"),
            new(
                "spec.dataset.evalFraction",
                job => job.Spec.Dataset is { EvalUri: not null, EvalFraction: not null }
                    ? "stands beside evalUri: give one of them"
                    : BrokenFraction(job.Spec.Dataset.EvalFraction),
                CelMessage: "give evalUri or evalFraction, not both"),
            new("spec.lora.dropout", job => BrokenFraction(job.Spec.Lora?.Dropout)),
            new("spec.dpo.beta", job => BrokenNumber(job.Spec.Dpo?.Beta, allowZero: false)),
            new("spec.earlyStopping.patience", job => job.Spec.EarlyStopping is null or { Patience: >= 1 } ? null : "must be at least 1"),
            new("spec.earlyStopping.minDelta", job => BrokenNumber(job.Spec.EarlyStopping?.MinDelta, allowZero: true)),
            new("spec.lora.targetModules", job => BrokenModules(job.Spec.Lora?.TargetModules)),
            new("spec.hyperparameters.learningRate", job => BrokenNumber(job.Spec.Hyperparameters?.LearningRate, allowZero: false)),
            new("spec.hyperparameters.weightDecay", job => BrokenNumber(job.Spec.Hyperparameters?.WeightDecay, allowZero: true)),
            new("spec.hyperparameters.maxGradientNorm", job => BrokenNumber(job.Spec.Hyperparameters?.MaxGradientNorm, allowZero: false)),
        ],
        [
            new("spec.modelRef", job => job.Spec.ModelRef),
            new("spec.method", job => job.Spec.Method),
            new("spec.objective", job => job.Spec.Objective),
            new("spec.dpo", job => job.Spec.Dpo),
            new("spec.earlyStopping", job => job.Spec.EarlyStopping),
            new("spec.lora", job => job.Spec.Lora),
            new("spec.dataset", job => job.Spec.Dataset),
            new("spec.hyperparameters", job => job.Spec.Hyperparameters),
            new("spec.output", job => job.Spec.Output),
            new("spec.checkpoint.uri", job => job.Spec.Checkpoint?.Uri), // Another folder has no checkpoint: the job would begin anew.
        ]);

    /// <summary>A decimal string of the spec as a number; null when absent.</summary>
    public static double? Number(string? text) => text is null ? null : double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    private static bool IsDpo(FinetuneJob job) => job.Spec.Objective == FinetuneObjective.DPO;

    private static string? BrokenFraction(string? text) =>
        BrokenNumber(text, allowZero: true) ?? (Number(text) is >= 1 ? $"'{text}' must be less than 1" : null);

    private static string? BrokenModules(IList<string>? modules)
    {
        if (modules is null)
            return null;
        if (modules.Count == 0)
            return "must name a layer, or be left out for all";
        string[] unknown = [.. modules.Where(module => !TargetModules.Contains(module))];
        if (unknown.Length > 0)
            return $"unknown {string.Join(", ", unknown)}: known are {string.Join(", ", TargetModules)}";
        return modules.Distinct().Count() == modules.Count ? null : "names a layer twice";
    }

    private static string? BrokenNumber(string? text, bool allowZero)
    {
        if (text is null)
            return null;
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) || !double.IsFinite(number))
            return $"'{text}' is no decimal number";
        return number > 0 || (allowZero && number == 0) ? null : $"'{text}' must be {(allowZero ? "0 or more" : "above 0")}";
    }
}
