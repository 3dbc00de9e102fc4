using AiFabric.Cluster.Tests.RealCluster;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>A control plane and two real nodes with the built images, and what is done to them: the journey, once for all tests.</summary>
public sealed class NodeFabric : IAsyncLifetime
{
    private readonly string? _missing = NodeImages.Missing();
    private ControlPlane? _plane;
    private Task<Journey>? _journey;

    /// <summary>The journey's record; the first caller makes it happen. Skips the test visibly where there is nothing to run it on.</summary>
    public Task<Journey> JourneyAsync()
    {
        Assert.SkipUnless(_missing is null, _missing ?? "");
        return _journey ??= Journey.MakeAsync(_plane!, Transcript.Open()); // The plane started, or the fixture would have failed.
    }

    public async ValueTask InitializeAsync()
    {
        if (_missing is not null)
            return;
        _plane = await ControlPlane.StartAsync(new ControlPlaneOptions { ApplyCustomResourceDefinitions = false });
        try
        {
            await _plane.StartNodesAsync(2, NodeImages.Tars);
        }
        catch
        {
            await DisposeAsync(); // xunit disposes only what it could initialize.
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_plane is not null)
            await _plane.DisposeAsync();
    }
}

/// <summary>The tests of the fabric on real nodes: one after another, and not beside the other tests, which they would starve.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class NodeTests : ICollectionFixture<NodeFabric>
{
    public const string Name = "Real nodes";
}
