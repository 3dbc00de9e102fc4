using System.Text;
using System.Text.Json;
using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Routing;
using Xunit;

namespace AiFabric.Tests.Fuzzing;

/// <summary>Whatever a client sends: the gateway finds a model in it and can name another, or refuses it as OpenAI would.</summary>
public sealed class GatewayBodyFuzzTests
{
    private const string Valid =
        """{"model":"team/m:a","messages":[{"role":"user","content":"Hi \u00e9","model":"inner"}],"stop":["a"],"stream":true,"x":{"model":1},"temperature":0.5}""";

    [Fact]
    public void Request_bodies()
    {
        Fuzz.Run(Mutations.OfJson(Valid), 8_000, Read);
        Fuzz.Run(Mutations.OfBytes(Encoding.UTF8.GetBytes(Valid)), 8_000, Read);
        Fuzz.Run(Mutations.Random("model", "messages", "stream"), 4_000, Read);
    }

    private static void Read(byte[] json) => Fuzz.Bounded(json.Length, () =>
    {
        var (body, error) = RequestBody.Parse(json);
        if (body is null)
        {
            Assert.Equal(400, error!.Status);
            Assert.NotEmpty(error.Message);
            return;
        }
        Assert.NotEmpty(body.Model);
        _ = ModelName.Parse(body.Model);
        using var renamed = JsonDocument.Parse(body.WithModel("renamed"));
        Assert.Equal("renamed", renamed.RootElement.GetProperty("model").GetString());
        var (request, refusal) = PipelineRequest.Read(body.WithModel(body.Model));
        Assert.Equal(request is null ? 400 : null, refusal?.Status);
    });
}
