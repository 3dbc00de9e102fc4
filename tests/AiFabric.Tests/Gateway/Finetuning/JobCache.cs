using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Tests.Gateway.Finetuning;

/// <summary>A cache that holds one job or none, and tells of a change when it is told to.</summary>
internal sealed class JobCache : IInformer<FinetuneJob>
{
    private Action<StoreChange<FinetuneJob>>? _handler;

    public FinetuneJob? Job { get; set; }

    public bool HasSynced => true;

    public bool IsServed => true;

    public int Count => Job is null ? 0 : 1;

    public void Change() => _handler!(new StoreChange<FinetuneJob>(StoreChangeKind.Deleted, new FinetuneJob { Metadata = new V1ObjectMeta { Name = "other" } })); // Somebody subscribed.

    public FinetuneJob? Get(NamespacedName key) => Job is not null && NamespacedName.Of(Job) == key ? Job : null;

    public IReadOnlyList<FinetuneJob> List(string? @namespace = null) => throw new NotSupportedException();

    public IReadOnlyList<FinetuneJob> ByIndex(string index, string value) => throw new NotSupportedException();

    public int CountByIndex(string index, string value) => throw new NotSupportedException();

    public void AddIndex(string name, Func<FinetuneJob, IEnumerable<string>> values) => throw new NotSupportedException();

    public IDisposable Subscribe(Action<StoreChange<FinetuneJob>> handler)
    {
        _handler = handler;
        return new MemoryStream();
    }

    public Task WaitForSyncAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
