using System.Net;
using System.Text.Json;
using AiFabric.Crds.CoServedModels;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>A model that makes embeddings only, declared as any other.</summary>
[Collection(FabricTests.Name)]
public sealed class EncoderTests(FabricFixture fabric)
{
    [Fact]
    public async Task An_encoder_becomes_ready_and_answers_embeddings_through_the_gateway()
    {
        string package = Path.Combine(FabricFixture.Repository, "tests", "npm", "node_modules", "@energetic-ai", "model-embeddings-en", "dist");
        Assert.SkipUnless(Directory.Exists(package), "tests/npm/node_modules is missing: run 'npm ci' in tests/npm");
        string folder = Path.GetDirectoryName(fabric.NewPath("use-lite/config.json"))!; // The path has a folder.
        await fabric.ImportUseLiteAsync(package, folder);
        await fabric.Client.CreateAsync(FabricFixture.NewModel("use-lite", folder));
        try
        {
            await fabric.ConditionAsync<CoServedModel>("use-lite", CoServedModelConditions.Ready, "True");

            var (status, answer) = await fabric.PostAsync("/v1/embeddings", """{"model":"use-lite","input":["How old are you?","What is your age?","The road was closed."]}""");

            Assert.True(status == HttpStatusCode.OK, answer);
            float[][] vectors = [.. JsonDocument.Parse(answer).RootElement.GetProperty("data").EnumerateArray().Select(item => item.GetProperty("embedding").Deserialize<float[]>()!)];
            Assert.Equal([512, 512, 512], vectors.Select(vector => vector.Length));
            Assert.True(Cosine(vectors[0], vectors[1]) > Cosine(vectors[0], vectors[2]) + 0.2);
            var (refused, why) = await fabric.PostAsync("/v1/chat/completions", """{"model":"use-lite","messages":[{"role":"user","content":"Hello"}]}""");
            Assert.Equal(HttpStatusCode.BadRequest, refused);
            Assert.Contains("makes embeddings", why, StringComparison.Ordinal);
        }
        finally
        {
            await fabric.Client.DeleteAsync<CoServedModel>("use-lite", FabricFixture.Space);
        }
    }

    private static float Cosine(float[] a, float[] b) => a.Zip(b).Sum(pair => pair.First * pair.Second);
}
