namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>The rules of FinetuneJobs.</summary>
internal static partial class CelTable
{
    private const string SameCheckpoints =
        "(has(self.checkpoint) && has(self.checkpoint.uri) ? self.checkpoint.uri : '') == (has(oldSelf.checkpoint) && has(oldSelf.checkpoint.uri) ? oldSelf.checkpoint.uri : '')";

    private const string Together = "objective DPO and dataset.format Preference belong together";

    private static CelCase[] Jobs() =>
    [
        Job("spec.modelRef", "self == oldSelf", "modelRef", ["""{"modelRef":{"name":"other"},"dataset":{"uri":"file:///d"},"output":{"adapterName":"a"}}"""]),
        Job("spec.method", "self == oldSelf", "method", [JobWith("\"method\":\"IA3\"")], Before: JobWith("\"method\":\"LoRA\"")),
        Job(
            "spec.objective", "self == oldSelf", "objective", [JobWith("\"objective\":\"DPO\"")],
            Before: JobWith("\"objective\":\"SupervisedFinetuning\"")) with { Besides = Together },
        Job(
            "spec.dataset", "self == oldSelf", "dataset",
            [
                """{"modelRef":{"name":"m"},"dataset":{"uri":"file:///other"},"output":{"adapterName":"a"}}""",
                """{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d","format":"Chat"},"output":{"adapterName":"a"}}""",
                """{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d","evalUri":"file:///e"},"output":{"adapterName":"a"}}""",
            ]),
        Job("spec.output", "self == oldSelf", "output", ["""{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d"},"output":{"adapterName":"b"}}"""]),
        Job("spec.lora", "self == oldSelf", "lora", [JobWith("\"lora\":{\"rank\":8}")], Before: JobWith("\"lora\":{\"rank\":4}")),
        .. Presence("lora", JobWith),
        Job("spec.dpo", "self == oldSelf", "dpo", [PreferenceJobWith("\"dpo\":{\"beta\":\"0.2\"}")], Before: PreferenceJobWith("\"dpo\":{\"beta\":\"0.1\"}")),
        .. Presence("dpo", PreferenceJobWith),
        Job(
            "spec.earlyStopping", "self == oldSelf", "earlyStopping", [JobWith("\"earlyStopping\":{\"patience\":3}")],
            Before: JobWith("\"earlyStopping\":{\"patience\":2}")),
        .. Presence("earlyStopping", JobWith, "{\"patience\":2}"),
        Job(
            "spec.hyperparameters", "self == oldSelf", "hyperparameters", [JobWith("\"hyperparameters\":{\"epochs\":2}")],
            Before: JobWith("\"hyperparameters\":{\"epochs\":1}")),
        .. Presence("hyperparameters", JobWith),
        Job(
            "spec", SameCheckpoints, "checkpoint.uri",
            [JobWith("\"checkpoint\":{\"uri\":\"file:///b\"}"), JobWith("\"checkpoint\":{\"retain\":3}"), JobWith("\"suspend\":true")],
            Before: JobWith("\"checkpoint\":{\"uri\":\"file:///a\"}")) with { Accepted = JobWith("\"checkpoint\":{\"uri\":\"file:///a\",\"retain\":3}") },
        Job("spec", SameCheckpoints, "checkpoint.uri", [JobWith("\"checkpoint\":{\"uri\":\"file:///a\"}")]) with { Accepted = JobWith("\"checkpoint\":{\"retain\":3}") },
        new(
            "FinetuneJob", "spec", "self.method == 'LoRA' || !has(self.lora)", "lora belongs to method LoRA",
            JobWith("\"method\":\"LoRA\",\"lora\":{}"), [JobWith("\"method\":\"IA3\",\"lora\":{}")]),
        new(
            "FinetuneJob", "spec", "self.objective == 'DPO' || !has(self.dpo)", "dpo belongs to objective DPO",
            PreferenceJobWith("\"dpo\":{}"), [JobWith("\"dpo\":{}")]),
        new(
            "FinetuneJob", "spec", "(self.objective == 'DPO') == (self.dataset.format == 'Preference')", Together,
            PreferenceJobWith("\"suspend\":true"),
            [
                JobWith("\"objective\":\"DPO\""),
                """{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d","format":"Preference"},"output":{"adapterName":"a"}}""",
            ]),
        new(
            "FinetuneJob", "spec.dataset", "!has(self.evalUri) || !has(self.evalFraction)", "give evalUri or evalFraction, not both",
            """{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d","evalFraction":"0.1"},"output":{"adapterName":"a"}}""",
            ["""{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d","evalUri":"file:///e","evalFraction":"0.1"},"output":{"adapterName":"a"}}"""]),
    ];

    /// <summary>An optional block of a FinetuneJob that may neither come nor go.</summary>
    private static CelCase[] Presence(string field, Func<string, string> job, string value = "{}") =>
    [
        Job("spec", $"has(self.{field}) == has(oldSelf.{field})", field, [job($"\"{field}\":{value}")], Before: job("\"suspend\":true")),
        Job("spec", $"has(self.{field}) == has(oldSelf.{field})", field, [job("\"suspend\":true")], Before: job($"\"{field}\":{value}")),
    ];

    /// <summary>A field of a FinetuneJob that must stay as it was. A change of <c>backoffLimit</c> beside it is accepted.</summary>
    private static CelCase Job(string path, string rule, string field, string[] refused, string? Before = null)
    {
        string before = Before ?? JobWith("\"suspend\":true");
        return new("FinetuneJob", path, rule, $"{field} is immutable", before[..^1] + ",\"backoffLimit\":2}", refused, before);
    }

    private static string JobWith(string more) => $$$"""{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d"},"output":{"adapterName":"a"},{{{more}}}}""";

    private static string PreferenceJobWith(string more) =>
        $$$"""{"modelRef":{"name":"m"},"objective":"DPO","dataset":{"uri":"file:///d","format":"Preference"},"output":{"adapterName":"a"},{{{more}}}}""";
}
