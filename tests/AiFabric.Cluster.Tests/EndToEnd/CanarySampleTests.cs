using System.Net;
using System.Text.Json;
using AiFabric.Crds.CoServedModels;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>The canary of docs/coservedmodel.md: applied by kubectl, asked as clients do.</summary>
[Collection(FabricTests.Name)]
public sealed class CanarySampleTests(FabricFixture fabric)
{
    [Fact]
    public async Task The_lines_of_the_page_give_the_model_a_canary_and_a_mirror_and_take_them_away()
    {
        string[] patches = [.. (await File.ReadAllLinesAsync(Path.Combine(FabricFixture.Repository, "docs", "coservedmodel.md")))
            .Where(line => line.StartsWith("kubectl patch csm demo ", StringComparison.Ordinal)).Select(line => line.Split('\'')[1])];
        Assert.Equal(3, patches.Length);
        string sample = await File.ReadAllTextAsync(Path.Combine(FabricFixture.Repository, "samples", "canary.yaml"));
        await fabric.KubectlAsync(["apply", "-f", "-"], sample.Replace("$PWD", FabricFixture.Repository, StringComparison.Ordinal));
        try
        {
            await PatchAsync(patches[0]);
            V1Condition active = await fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.CanaryActive, "True", "Routed");
            Assert.Equal("10% of the requests go to demo-next", active.Message);
            V1Condition mirror = await fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.MirrorActive, "False", "AdapterNotFound");
            Assert.Equal("CoServedModel demo-next has no Adapter jargon; nothing is copied meanwhile", mirror.Message);

            await PatchAsync(patches[1].Replace("50", "100", StringComparison.Ordinal));
            await FabricFixture.UntilAsync(async () => await AnswererAsync() == "demo-next", () => "the canary to answer");
            await PatchAsync(patches[2]);
            await FabricFixture.UntilAsync(async () => await AnswererAsync() == "demo", () => "the model to answer itself");
            await FabricFixture.UntilAsync(
                async () => (await fabric.Client.GetAsync<CoServedModel>("demo", FabricFixture.Space))?.Status?.Conditions?.Any(
                    condition => condition.Type is CoServedModelConditions.CanaryActive or CoServedModelConditions.MirrorActive) == false,
                () => "the conditions to go");
        }
        finally
        {
            await fabric.KubectlAsync(["patch", "csm", "demo", "--type", "merge", "-p", patches[2]]);
            await fabric.KubectlAsync(["delete", "csm", "demo-next"]);
        }
    }

    [Fact]
    public async Task A_canary_that_is_not_there_is_told_and_the_model_answers()
    {
        try
        {
            await PatchAsync("""{"spec": {"routing": {"canary": {"modelRef": {"name": "nobody"}, "percent": 10}}}}""");
            V1Condition told = await fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.CanaryActive, "False", "ModelNotFound");
            Assert.Equal("CoServedModel nobody does not exist; demo answers all requests meanwhile", told.Message);
            Assert.Equal("demo", await AnswererAsync());
            await fabric.ModelReadyAsync();
        }
        finally
        {
            await PatchAsync("""{"spec": {"routing": {"canary": null}}}""");
        }
    }

    private Task<string> PatchAsync(string patch) => fabric.KubectlAsync(["patch", "csm", "demo", "--type", "merge", "-p", patch]);

    private async Task<string?> AnswererAsync()
    {
        (HttpStatusCode status, string body) = await fabric.PostAsync("/v1/completions", """{"model": "demo", "prompt": "Once upon a time", "max_tokens": 8}""");
        Assert.True(status == HttpStatusCode.OK, body);
        return JsonDocument.Parse(body).RootElement.GetProperty("model").GetString();
    }
}
