using System.Net;
using System.Net.Sockets;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.Node;

public sealed class ProbeTests
{
    [Fact]
    public async Task Readiness_follows_the_http_answer()
    {
        int port = FreePort();
        using var server = new HttpListener();
        server.Prefixes.Add($"http://127.0.0.1:{port}/");
        server.Start();
        int code = 503;
        Task serving = ServeAsync(server, () => Volatile.Read(ref code));
        await using LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("web", "sleep 1000", container: c => c.ReadinessProbe = new V1Probe
        {
            HttpGet = new V1HTTPGetAction { Host = "127.0.0.1", Port = port, Path = "/ready" },
            PeriodSeconds = 1,
            FailureThreshold = 1,
        }));
        await Eventually.TrueAsync(() => node.Api.List<Corev1Event>("default").Any(e => e.Reason == "Unhealthy" && e.Message.Contains("503")), () => "an event should tell of the 503");
        Assert.False(node.Api.Get<V1Pod>("default", "web")!.MainContainer().Ready);

        Volatile.Write(ref code, 200);
        await node.ReadyAsync("web");

        Volatile.Write(ref code, 500);
        V1Pod unready = await node.UntilAsync<V1Pod>("web", p => !p.MainContainer().Ready, "be unready again");
        Assert.Equal(0, unready.MainContainer().RestartCount);
        server.Stop();
        await serving;
    }

    [Fact]
    public async Task Failing_liveness_probe_restarts_the_container_after_startup()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        string alive = Path.Combine(node.Folder, "alive");
        node.Create(Pod.Script("live", $"touch {alive}; sleep 1000", container: c =>
        {
            c.StartupProbe = new V1Probe { Exec = new V1ExecAction { Command = ["test", "-e", alive] }, PeriodSeconds = 1, FailureThreshold = 30 };
            c.LivenessProbe = new V1Probe { Exec = new V1ExecAction { Command = ["test", "-e", alive] }, PeriodSeconds = 1, FailureThreshold = 1, TimeoutSeconds = 5 };
        }));
        await node.ReadyAsync("live");

        File.Delete(alive);

        await node.UntilAsync<V1Pod>("live", p => p.MainContainer() is { RestartCount: >= 1, Ready: true }, "be restarted and ready");
        Assert.Contains(node.Api.List<Corev1Event>("default"), e => e.Reason == "Killing" && e.Message.Contains("liveness"));
    }

    private static async Task ServeAsync(HttpListener server, Func<int> code)
    {
        try
        {
            while (true)
            {
                HttpListenerContext context = await server.GetContextAsync();
                context.Response.StatusCode = code();
                context.Response.Close();
            }
        }
        catch (Exception stopped) when (stopped is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
