using Xunit;

namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>One control plane for all classes of the collection <see cref="RealClusterTests"/>. Give each test a namespace of its own.</summary>
public sealed class RealClusterFixture : IAsyncLifetime
{
    private readonly string? _missing = ControlPlane.Missing();
    private ControlPlane? _plane;

    /// <summary>The control plane; skips the test visibly on a machine that has no binaries for one.</summary>
    public ControlPlane Plane
    {
        get
        {
            Assert.SkipUnless(_missing is null, _missing ?? "");
            return _plane!; // It started, or the fixture would have failed.
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (_missing is null)
            _plane = await ControlPlane.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_plane is not null)
            await _plane.DisposeAsync();
    }
}

/// <summary>The tests of one real control plane, one after another. Give their classes the trait Suite=e2e or Suite=chaos.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class RealClusterTests : ICollectionFixture<RealClusterFixture>
{
    public const string Name = "Real cluster";
}
