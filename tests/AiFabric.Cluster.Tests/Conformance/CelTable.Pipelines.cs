namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>The rules of Pipelines.</summary>
internal static partial class CelTable
{
    private const string Model = "\"modelRef\":{\"name\":\"m\"}";

    private static CelCase[] Pipelines() =>
    [
        Stage(
            "", "[has(self.modelRef), has(self.functionRef), has(self.pipelineRef), has(self.split), has(self.join), has(self.filter)]"
            + ".filter(set, set).size() == 1",
            "set exactly one of modelRef, functionRef, pipelineRef, split, join and filter",
            Model, "\"timeoutSeconds\":5", Model + ",\"split\":{\"by\":\"Sentence\"}"),
        new(
            "Pipeline", "spec.stages[]", "self.name != 'request'", "the name request stands for the client's text", Of("a", Model), [Of("request", Model)]),
        Stage(
            "", "has(self.modelRef) || (!has(self.prompt) && !has(self.system) && !has(self.parameters))", "prompt, system and parameters are for modelRef",
            Model + ",\"prompt\":\"p\",\"system\":\"s\",\"parameters\":{\"maxTokens\":5}",
            "\"split\":{\"by\":\"Sentence\"},\"prompt\":\"p\"", "\"join\":{},\"system\":\"s\"",
            "\"functionRef\":{\"image\":\"i\"},\"parameters\":{\"maxTokens\":5}"),
        Stage(
            "", "has(self.functionRef) || !has(self.aggregation)", "aggregation is for functionRef",
            "\"functionRef\":{\"image\":\"i\"},\"aggregation\":{}", Model + ",\"aggregation\":{}"),
        Stage(
            ".split", "!has(self.delimiter) || self.by == 'Delimiter'", "delimiter is for by: Delimiter",
            "\"split\":{\"by\":\"Delimiter\",\"delimiter\":\";\"}", "\"split\":{\"by\":\"Sentence\",\"delimiter\":\";\"}"),
        Stage(
            ".join", "has(self.count) == (has(self.policy) && self.policy == 'Count')", "count goes with policy: Count",
            "\"join\":{\"policy\":\"Count\",\"count\":2}", "\"join\":{\"count\":2}", "\"join\":{\"policy\":\"Count\"}", "\"join\":{\"policy\":\"Any\",\"count\":2}"),
        Stage(
            ".filter", "has(self.startsWith) != has(self.contains)", "set exactly one of startsWith and contains",
            "\"filter\":{\"contains\":\"x\"}", "\"filter\":{}", "\"filter\":{\"startsWith\":\"x\",\"contains\":\"x\"}"),
        Stage(
            ".inputs[]", "!has(self.delimiter) || (has(self.emit) && self.emit == 'Delimiter')", "delimiter is for emit: Delimiter",
            Model + ",\"inputs\":[{\"from\":\"request\",\"emit\":\"Delimiter\",\"delimiter\":\";\"}]",
            Model + ",\"inputs\":[{\"from\":\"request\",\"delimiter\":\";\"}]", Model + ",\"inputs\":[{\"from\":\"request\",\"emit\":\"Full\",\"delimiter\":\";\"}]"),
        Stage(
            ".inputs[]", "!has(self.join) || self.join != 'Count'", "join: Count needs a join stage, which has a count",
            Model + ",\"inputs\":[{\"from\":\"request\",\"join\":\"First\"}]", Model + ",\"inputs\":[{\"from\":\"request\",\"join\":\"Count\"}]"),
    ];

    private static CelCase Stage(string below, string rule, string message, string accepted, params string[] refused) =>
        new("Pipeline", "spec.stages[]" + below, rule, message, Of("a", accepted), [.. refused.Select(stage => Of("a", stage))]);

    private static string Of(string name, string stage) => $$$"""{"stages":[{"name":"{{{name}}}",{{{stage}}}}],"output":{"from":"{{{name}}}"}}""";
}
