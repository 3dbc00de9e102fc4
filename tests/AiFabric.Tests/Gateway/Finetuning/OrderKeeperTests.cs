using AiFabric.Crds.FinetuneJobs;
using AiFabric.Gateway;
using AiFabric.Gateway.Finetuning.Files;
using AiFabric.Gateway.Finetuning.Orders;
using AiFabric.Kube;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Gateway.Finetuning;

public sealed class OrderKeeperTests : IDisposable
{
    private static readonly Order Order = new()
    {
        Id = "ftjob-0123456789abcdef",
        Tenant = "me",
        CreatedAt = 1_000,
        AskedModel = "demo",
        Namespace = "team",
        Model = "demo",
        AdapterName = "french",
        TrainingFile = "file-1",
        DatasetUri = "file:///d",
        Format = LineFormat.Chat,
    };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-orders-");
    private readonly OneJob _cache = new();
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

    /// <summary>A cache that holds one job or none.</summary>
    private sealed class OneJob : IInformer<FinetuneJob>
    {
        public FinetuneJob? Job { get; set; }

        public bool HasSynced => true;

        public bool IsServed => true;

        public int Count => Job is null ? 0 : 1;

        public FinetuneJob? Get(NamespacedName key) => Job is not null && NamespacedName.Of(Job) == key ? Job : null;

        public IReadOnlyList<FinetuneJob> List(string? @namespace = null) => throw new NotSupportedException();

        public IReadOnlyList<FinetuneJob> ByIndex(string index, string value) => throw new NotSupportedException();

        public int CountByIndex(string index, string value) => throw new NotSupportedException();

        public void AddIndex(string name, Func<FinetuneJob, IEnumerable<string>> values) => throw new NotSupportedException();

        public IDisposable Subscribe(Action<StoreChange<FinetuneJob>> handler) => throw new NotSupportedException();

        public Task WaitForSyncAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
