using AiFabric.Crds.FinetuneJobs;
using AiFabric.Gateway;
using AiFabric.Gateway.Finetuning.Orders;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Gateway.Finetuning;

public sealed class OrderKeeperTests : IDisposable
{
    private static readonly Order Order = SampleOrder.Value;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-orders-");
    private readonly JobCache _cache = new();
    private readonly OrderKeeper _keeper;

    public OrderKeeperTests() => _keeper = new OrderKeeper(
        new OrderStore(Options.Create(new GatewayOptions { FilesFolder = _folder.FullName })), _cache, new FakeTimeProvider(), NullLogger<OrderKeeper>.Instance);

    public void Dispose()
    {
        _keeper.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void A_job_that_is_never_accepted_fails_at_once_and_is_deleted_before_it_is_let_go_of()
    {
        _keeper.Accept(Order);
        Assert.False(Assert.Single(_keeper.Report().Orders).Cancel);
        _cache.Job = Job("Accepted", "False", "RankTooLarge");
        _keeper.Look(Order);
        Assert.Equal("failed", _keeper.Show(Order).Status);
        FinetuneOrder open = Assert.Single(_keeper.Report().Orders);
        Assert.True(open.Cancel);

        _cache.Job = null;
        _keeper.Look(Order);
        Assert.Empty(_keeper.Report().Orders);
        Assert.Equal(("failed", "RankTooLarge"), (_keeper.Show(Order).Status, _keeper.Show(Order).Error!.Code));
    }

    [Theory]
    [InlineData("Complete", "succeeded")]
    [InlineData("Failed", "failed")]
    public void A_job_that_ended_is_let_go_of_and_left_alone(string condition, string status)
    {
        _keeper.Accept(Order);
        _cache.Job = Job(condition, "True", "Why");
        _keeper.Look(Order);
        Assert.Empty(_keeper.Report().Orders);
        Assert.Equal(status, _keeper.Show(Order).Status);
    }

    private static FinetuneJob Job(string condition, string status, string reason) => new()
    {
        Metadata = new V1ObjectMeta { Name = Order.Id, NamespaceProperty = "team" },
        Status = new FinetuneJobStatus { Conditions = [new V1Condition { Type = condition, Status = status, Reason = reason, Message = "why" }] },
    };
}
