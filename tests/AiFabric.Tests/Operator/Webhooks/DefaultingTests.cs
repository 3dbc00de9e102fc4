using System.Text.Json.Nodes;
using AiFabric.Operator.Webhooks;
using Xunit;

namespace AiFabric.Tests.Operator.Webhooks;

public sealed class DefaultingTests
{
    [Theory]
    [InlineData("""{"metadata":{"name":"job"},"spec":{}}""", """[{"op":"add","path":"/spec/output","value":{"adapterName":"job"}}]""")]
    [InlineData("""{"metadata":{"name":"job"},"spec":{"output":null}}""", """[{"op":"add","path":"/spec/output","value":{"adapterName":"job"}}]""")]
    [InlineData("""{"metadata":{"name":"job"},"spec":{"output":{"uri":"file:///x"}}}""", """[{"op":"add","path":"/spec/output/adapterName","value":"job"}]""")]
    [InlineData("""{"metadata":{"name":"job"},"spec":{"output":{"adapterName":"french"}}}""", null)]
    [InlineData("""{"metadata":{"name":"job"},"spec":{"output":"french"}}""", null)]
    [InlineData("""{"metadata":{"name":"job"},"spec":[]}""", null)]
    [InlineData("""{"metadata":{"name":7},"spec":{}}""", null)]
    [InlineData("""{"metadata":{"generateName":"job-"},"spec":{}}""", null)]
    [InlineData("""{"metadata":{"name":"dotted.name"},"spec":{}}""", null)]
    [InlineData("""{"metadata":"x","spec":{}}""", null)]
    public void A_job_without_an_adapters_name_lends_it_its_own(string job, string? patch) => Assert.Equal(
        patch, Defaulting.Patch(Kinds.FinetuneJobs, Request("CREATE", job))?.ToJsonString());

    [Fact]
    public void Only_new_jobs_are_filled_in()
    {
        const string Job = """{"metadata":{"name":"job"},"spec":{}}""";
        Assert.Null(Defaulting.Patch(Kinds.FinetuneJobs, Request("UPDATE", Job)));
        Assert.Null(Defaulting.Patch(Kinds.Adapters, Request("CREATE", Job)));
        Assert.Null(Defaulting.Patch(Kinds.FinetuneJobs, Request("CREATE", Job) with { SubResource = "status" }));
    }

    private static AdmissionRequest Request(string operation, string json) =>
        new() { Uid = "1", Operation = operation, Object = (JsonObject)JsonNode.Parse(json)! };
}
