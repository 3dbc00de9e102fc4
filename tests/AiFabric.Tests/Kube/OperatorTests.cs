using System.Net;
using System.Text.Json.Nodes;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Prometheus;
using Xunit;

namespace AiFabric.Tests.Kube;

public sealed class OperatorTests : IAsyncDisposable
{
    private readonly FakeApiServer _server = new();
    private readonly ObservedTime _time = new();
    private readonly KubeMetrics _metrics = new(Metrics.NewCustomRegistry());
    private readonly Recorder _recorder = new();
    private IHost? _host;

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.StopAsync();
            _host.Dispose();
        }
        _server.Dispose();
    }

    [Fact]
    public async Task Objects_there_at_the_start_and_those_added_later_are_reconciled()
    {
        _server.Put(Config("a"));
        await StartAsync();
        await SeenAsync("reconcile a");
        _server.Put(Config("b"));
        await SeenAsync("reconcile b");
        await Until.TrueAsync(() => _metrics.ReconcileTotal.WithLabels("configmap", "success").Value == 2);
    }

    [Fact]
    public async Task Requeue_survives_a_status_write()
    {
        // KubeOps dropped a pending requeue when the object's own status write came back as an event.
        _server.Put(Deployment("web"));
        await StartAsync<V1Deployment>(controller: new DeploymentController(_recorder, _server.Client(), TimeSpan.FromSeconds(30)));
        await SeenAsync("reconcile web");
        await Until.TrueAsync(() => _server.Seen(r => r.Subresource == "status").Length == 1);
        var informer = _host!.Services.GetRequiredService<IInformer<V1Deployment>>();
        await Until.TrueAsync(() => informer.Get(new("ns", "web"))?.Status?.Replicas == 1);
        await Until.TrueAsync(() => _metrics.ReconcileTotal.WithLabels("deployment", "requeue_after").Value == 1);
        Assert.Equal(1, _recorder.Count("reconcile web"));

        _time.Advance(TimeSpan.FromSeconds(30));
        await SeenAsync("reconcile web", 2);
    }

    [Fact]
    public async Task Requeue_delay_is_honoured_after_success_and_after_failure()
    {
        _server.Put(Config("a"));
        _recorder.Script = (config, call) => call == 1
            ? ReconciliationResult<V1ConfigMap>.Failure(config, "not yet", requeueAfter: TimeSpan.FromMinutes(7))
            : ReconciliationResult<V1ConfigMap>.Success(config, TimeSpan.FromMinutes(3));
        await StartAsync();
        await Until.TrueAsync(() => _metrics.ReconcileTotal.WithLabels("configmap", "error").Value == 1);
        _time.Advance(TimeSpan.FromMinutes(7) - TimeSpan.FromTicks(1));
        Assert.Equal(0, _metrics.QueueDepth.WithLabels("configmap").Value);
        Assert.Equal(1, _recorder.Count("reconcile a"));
        _time.Advance(TimeSpan.FromTicks(1));
        await Until.TrueAsync(() => _metrics.ReconcileTotal.WithLabels("configmap", "requeue_after").Value == 1);
        _time.Advance(TimeSpan.FromMinutes(3));
        await SeenAsync("reconcile a", 3);
    }

    [Fact]
    public async Task Controller_that_throws_is_called_again_after_a_growing_delay()
    {
        _server.Put(Config("a"));
        _recorder.Script = (config, call) => call < 4 ? throw new InvalidOperationException("bug") : ReconciliationResult<V1ConfigMap>.Success(config);
        await StartAsync();
        for (int failures = 1; failures < 4; failures++)
        {
            await Until.TrueAsync(() => _metrics.ReconcileErrors.WithLabels("configmap").Value == failures);
            await Until.TrueAsync(() => _metrics.QueueRetries.WithLabels("configmap").Value == failures);
            _time.Advance(TimeSpan.FromMilliseconds(5 * Math.Pow(2, failures - 1)));
        }
        await SeenAsync("reconcile a", 4);
        await Until.TrueAsync(() => _metrics.ReconcileTotal.WithLabels("configmap", "success").Value == 1);
    }

    [Fact]
    public async Task One_object_is_never_with_two_workers_and_others_go_on_beside_it()
    {
        var gate = new TaskCompletionSource();
        _recorder.Gate = config => config.Metadata.Name == "slow" ? gate.Task : Task.CompletedTask;
        _server.Put(Config("slow"));
        await StartAsync(c => c.WithWorkers(4));
        await SeenAsync("reconcile slow");
        for (int i = 0; i < 5; i++)
            _server.Put(Config("slow", $"{i}"));
        _server.Put(Config("other"));
        await SeenAsync("reconcile other");
        Assert.Equal(1, _recorder.Count("reconcile slow"));
        gate.SetResult();
        await SeenAsync("reconcile slow", 2);
        Assert.Equal(1, _recorder.MostAtOnce("slow"));
    }

    [Fact]
    public async Task Change_of_an_owned_object_brings_its_owner_and_a_watched_one_what_the_map_says()
    {
        V1ConfigMap owner = _server.Put(Config("owner"));
        _server.Put(Config("other"));
        await StartAsync(c => c.Owns<V1Pod>().Watches<V1Secret>((secret, store) => store.List(secret.Metadata.NamespaceProperty).Select(o => NamespacedName.Of(o)), "a=b"));
        await SeenAsync("reconcile owner");
        await SeenAsync("reconcile other");

        V1Pod pod = new() { Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "ns" } };
        pod.Metadata.OwnerReferences =
        [
            new V1OwnerReference { ApiVersion = "v1", Kind = "ConfigMap", Name = "owner", Uid = owner.Metadata.Uid, Controller = true },
            new V1OwnerReference { ApiVersion = "v1", Kind = "ConfigMap", Name = "other", Uid = "x", Controller = false },
        ];
        _server.Put(pod);
        await SeenAsync("reconcile owner", 2);
        _server.Remove<V1Pod>("p", "ns");
        await SeenAsync("reconcile owner", 3);
        Assert.Equal(1, _recorder.Count("reconcile other"));

        _server.Put(new V1Secret { Metadata = new V1ObjectMeta { Name = "s", NamespaceProperty = "ns" } });
        await SeenAsync("reconcile owner", 4);
        await SeenAsync("reconcile other", 2);
        Assert.All(_server.Seen(r => r.CollectionPath.EndsWith("/secrets", StringComparison.Ordinal)), r => Assert.Equal("a=b", r.Query["labelSelector"]));
    }

    [Fact]
    public async Task Deleted_object_is_reported_with_its_last_state()
    {
        _server.Put(Config("a", "last"));
        await StartAsync();
        await SeenAsync("reconcile a");
        _server.Remove<V1ConfigMap>("a", "ns");
        await SeenAsync("deleted a last");
    }

    [Fact]
    public async Task What_must_stand_on_an_object_first_is_written_in_one_request_with_the_finalizers()
    {
        _server.Put(Config("a"));
        _recorder.Prepare = config => config.Metadata.Annotations?.ContainsKey("noted") == true
            ? null
            : new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["noted"] = "yes" } } };
        await StartAsync(finalizer: true);
        await SeenAsync("reconcile a");
        V1ConfigMap written = _server.Find<V1ConfigMap>("a", "ns")!;
        Assert.Equal(["example.com/clean"], written.Metadata.Finalizers);
        Assert.Equal("yes", written.Metadata.Annotations["noted"]);
        Assert.Single(_server.Seen(request => request.Method == "PATCH"));
    }

    [Fact]
    public async Task Finalizer_is_attached_before_the_first_reconciliation_and_detached_only_when_done()
    {
        _server.Put(Config("a"));
        int tries = 0;
        _recorder.Final = config => ++tries == 1
            ? ReconciliationResult<V1ConfigMap>.Failure(config, "not yet")
            : ReconciliationResult<V1ConfigMap>.Success(config);
        await StartAsync(finalizer: true);
        await SeenAsync("reconcile a");
        Assert.Equal(["example.com/clean"], _server.Find<V1ConfigMap>("a", "ns")!.Metadata.Finalizers);

        _server.Remove<V1ConfigMap>("a", "ns");
        await SeenAsync("finalize a");
        Assert.NotNull(_server.Find<V1ConfigMap>("a", "ns"));
        await Until.TrueAsync(() => _metrics.QueueRetries.WithLabels("configmap").Value >= 1);
        _time.Advance(TimeSpan.FromSeconds(1));
        await SeenAsync("finalize a", 2);
        await SeenAsync("deleted a 1");
        Assert.Null(_server.Find<V1ConfigMap>("a", "ns"));
    }

    [Fact]
    public async Task Resync_brings_every_object_again()
    {
        _server.Put(Config("a"));
        _server.Put(Config("b"));
        await StartAsync();
        await SeenAsync("reconcile b");
        await SeenAsync("reconcile a");
        _time.Advance(TimeSpan.FromHours(10));
        await SeenAsync("reconcile a", 2);
        await SeenAsync("reconcile b", 2);
    }

    [Fact]
    public async Task Controller_waits_until_the_caches_it_reads_are_full()
    {
        _server.Put(Config("a"));
        _server.FailNext(r => r is { IsList: true, CollectionPath: "/api/v1/pods" }, HttpStatusCode.ServiceUnavailable, "ServiceUnavailable");
        await StartAsync(c => c.Owns<V1Pod>());
        // The failure stands first in the fake's line: configmaps list as soon as pods have failed.
        await _time.WaitForDelayAsync(TimeSpan.FromMilliseconds(200));
        Assert.Equal(0, _recorder.Count("reconcile a"));
        _time.Advance(TimeSpan.FromMilliseconds(200));
        await SeenAsync("reconcile a");
    }

    [Fact]
    public async Task Lost_lease_stops_controllers_and_application()
    {
        _server.Put(Config("a"));
        await StartAsync(options: o => o.LeaderElection.Enabled = true);
        await SeenAsync("reconcile a");
        V1Lease lease = _server.Find<V1Lease>("aifabric-operator", "default")!;
        lease.Spec.HolderIdentity = "thief";
        _server.Put(lease);
        int before = Environment.ExitCode;
        try
        {
            await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2));
            _time.Advance(TimeSpan.FromSeconds(2));
            var lifetime = _host!.Services.GetRequiredService<IHostApplicationLifetime>();
            await Until.TrueAsync(() => lifetime.ApplicationStopping.IsCancellationRequested);
            Assert.Equal(1, Environment.ExitCode);
        }
        finally
        {
            Environment.ExitCode = before;
        }
    }

    [Fact]
    public async Task Informer_works_alone_without_an_operator()
    {
        _server.Put(Config("a"));
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<IKubernetesClient>(_server.Client());
        builder.Services.AddInformer<V1ConfigMap>("ns", "app=x").AddInformer<V1ConfigMap>("ns", "app=x");
        _host = builder.Build();
        await _host.StartAsync();
        var store = _host.Services.GetRequiredService<IStore<V1ConfigMap>>();
        await _host.Services.GetRequiredService<IInformer<V1ConfigMap>>().WaitForSyncAsync(default);
        Assert.Equal("a", Assert.Single(store.List()).Metadata.Name);
        Assert.Throws<InvalidOperationException>(() => builder.Services.AddInformer<V1ConfigMap>("other"));
    }

    private static V1ConfigMap Config(string name, string value = "1") => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "ns", Labels = new Dictionary<string, string> { ["v"] = value } },
    };

    private static V1Deployment Deployment(string name) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "ns" },
        Spec = new V1DeploymentSpec { Replicas = 1 },
    };

    private Task StartAsync(
        Action<IControllerBuilder<V1ConfigMap>>? configure = null, bool finalizer = false, Action<KubernetesOperatorOptions>? options = null) =>
        StartHostAsync(
            builder =>
            {
                builder.Services.AddSingleton(_recorder);
                builder.AddController<ConfigController, V1ConfigMap>(configure);
                if (finalizer)
                    builder.AddFinalizer<ConfigFinalizer, V1ConfigMap>("example.com/clean");
            },
            options);

    private Task StartAsync<T>(DeploymentController controller) => StartHostAsync(builder =>
    {
        builder.AddController<DeploymentController, V1Deployment>();
        builder.Services.AddSingleton<IEntityController<V1Deployment>>(controller);
    });

    private async Task StartHostAsync(Action<IOperatorBuilder> add, Action<KubernetesOperatorOptions>? options = null)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<TimeProvider>(_time);
        builder.Services.AddSingleton(_metrics);
        builder.Services.AddSingleton<IKubernetesClient>(_server.Client());
        add(builder.Services.AddKubernetesOperator(options));
        _host = builder.Build();
        await _host.StartAsync();
    }

    private Task SeenAsync(string what, int times = 1) => Until.TrueAsync(() => _recorder.Count(what) >= times, $"{times} × {what}");
}
