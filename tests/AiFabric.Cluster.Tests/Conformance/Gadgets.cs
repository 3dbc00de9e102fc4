using System.Diagnostics;
using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>The custom resource of the scenarios: it has every feature of a CRD that ours use.</summary>
internal static class Gadgets
{
    public static async Task DefineAsync(HttpEndpoint server)
    {
        await CreateAsync(server, await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "Conformance", "Scenarios", "gadgets.json")));
        var clock = Stopwatch.StartNew();
        while ((await server.SendAsync("GET", "/apis/aifabric.io/v1alpha1/gadgets")).Code != 200)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), "gadgets are not served");
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Creates a CustomResourceDefinition, unless it is there.</summary>
    public static async Task CreateAsync(HttpEndpoint server, string definition)
    {
        (int code, string body) = await server.SendAsync("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
        Assert.True(code is 201 or 409, $"The definition was answered with {code}: {body}");
    }
}
