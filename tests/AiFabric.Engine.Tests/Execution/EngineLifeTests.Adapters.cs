using AiFabric.Engine.Adapters;
using AiFabric.Engine.Requests;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;

namespace AiFabric.Engine.Tests.Execution;

public sealed partial class EngineLifeTests
{
    [Fact]
    public async Task An_unloaded_adapter_serves_its_running_requests_to_their_end()
    {
        await using var engine = model.Start(o => o with { MaxAdapters = 1 });
        engine.Install(model.Adapter("a", 2, 1));
        var generation = engine.Submit(Greedy(model.Prompt(5, 1), 200, "a"));
        await generation.Events.ReadAsync();

        Assert.True(await engine.UnloadAdapterAsync("a", CancellationToken.None));
        Assert.False(await engine.UnloadAdapterAsync("a", CancellationToken.None));
        Assert.Throws<EngineRejectedException>(() => engine.Submit(Greedy(model.Prompt(5, 1), 4, "a")));
        engine.Install(model.Adapter("b", 2, 2));

        Assert.Equal(199, (await generation.AllAsync()).Count);
        Assert.Equal("b", Assert.Single(engine.Adapters).Name);
    }

    [Fact]
    public async Task The_adapter_that_nobody_used_for_longest_gives_way_and_one_in_use_does_not()
    {
        await using var engine = model.Start(o => o with { MaxAdapters = 2 });
        engine.Install(model.Adapter("a", 2, 1));
        engine.Install(model.Adapter("b", 2, 2));
        await engine.Submit(Greedy(model.Prompt(5, 1), 4, "a")).AllAsync();
        engine.Install(model.Adapter("c", 2, 3));
        Assert.Equal(["a", "c"], engine.Adapters.Select(adapter => adapter.Name));

        using AdapterHold? first = engine.TryHoldAdapter("a"), second = engine.TryHoldAdapter("c");
        Assert.Null(engine.TryHoldAdapter("b"));
        var limit = Assert.Throws<EngineRejectedException>(() => engine.Install(model.Adapter("d", 2, 4)));
        Assert.Equal(RejectionCodes.AdapterLimit, limit.Code);
        second?.Dispose();
        second?.Dispose(); // a second time changes nothing
        engine.Install(model.Adapter("d", 2, 4));
        Assert.Equal(["a", "d"], engine.Adapters.Select(adapter => adapter.Name));
    }
}
