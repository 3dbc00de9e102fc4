using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Weights;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;

namespace AiFabric.Engine.Tests.Execution;

public sealed class AdapterLoadingTests : IDisposable
{
    private readonly RandomModel model = new();
    private readonly TemporaryFolder folder = new();

    public void Dispose()
    {
        folder.Dispose();
        model.Dispose();
    }

    [Fact]
    public async Task A_saved_adapter_serves_as_the_one_in_memory()
    {
        await using var engine = model.Start();
        string path = Save("a", rank: 3, seed: 1, out string digest);
        engine.Install(model.Adapter("memory", 3, 1));

        var info = await engine.LoadAdapterAsync("disk", path, digest, CancellationToken.None);

        Assert.Equal(new AdapterInfo("disk", digest, 3), info);
        Assert.Equal(["disk", "memory"], engine.Adapters.Select(a => a.Name));
        var expected = await engine.Submit(Greedy(model.Prompt(7, 1), 12, "memory")).AllAsync();
        var found = await engine.Submit(Greedy(model.Prompt(7, 1), 12, "disk")).AllAsync();
        Assert.Equal(expected.Select(e => e.Token), found.Select(e => e.Token));
    }

    [Fact]
    public async Task Loading_again_is_idempotent_and_another_digest_replaces()
    {
        await using var engine = model.Start(o => o with { MaxAdapters = 1 });
        string first = Save("first", 2, 1, out string digest), second = Save("second", 2, 2, out string other);
        await engine.LoadAdapterAsync("a", first, digest, CancellationToken.None);

        // Present already, so the folder is not even read.
        Assert.Equal(digest, (await engine.LoadAdapterAsync("a", "nowhere", digest, CancellationToken.None)).Digest);
        Assert.Equal(other, (await engine.LoadAdapterAsync("a", second, null, CancellationToken.None)).Digest);
        Assert.Single(engine.Adapters);
    }

    [Fact]
    public async Task What_does_not_fit_is_refused_by_name()
    {
        await using var engine = model.Start(o => o with { MaxLoraRank = 4 });
        string fits = Save("fits", 4, 1, out _), large = Save("large", 5, 1, out _);

        var digest = await Assert.ThrowsAsync<EngineRejectedException>(() => engine.LoadAdapterAsync("a", fits, "sha256:other", CancellationToken.None));
        var rank = await Assert.ThrowsAsync<EngineRejectedException>(() => engine.LoadAdapterAsync("a", large, null, CancellationToken.None));
        await Assert.ThrowsAsync<CheckpointException>(() => engine.LoadAdapterAsync("a", folder.File("missing"), null, CancellationToken.None));

        Assert.Equal((RejectionCodes.AdapterInvalid, RejectionCodes.AdapterInvalid), (digest.Code, rank.Code));
        Assert.Empty(engine.Adapters);
    }

    private string Save(string name, int rank, int seed, out string digest)
    {
        string path = folder.File(name);
        using var values = RandomAdapter.Values(new LoraMethod { Rank = rank, Alpha = 0.5 * rank }, model.Config, seed);
        digest = PeftFolder.Save(values, model.Config, path, "base");
        return path;
    }
}
