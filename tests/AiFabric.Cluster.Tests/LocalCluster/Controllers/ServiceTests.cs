using System.Net;
using System.Net.Sockets;
using System.Text;
using AiFabric.Cluster.Tests.LocalCluster.Node;
using AiFabric.LocalCluster.Controllers.Services;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.Controllers;

public sealed class ServiceTests
{
    [Fact]
    public async Task Service_forwards_to_ready_pods_only()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        using var backend = new TcpListener(IPAddress.Any, 0);
        backend.Start();
        int port = ((IPEndPoint)backend.LocalEndpoint).Port;
        int servicePort = port > 40_000 ? port - 10_007 : port + 10_007; // another one: the backend has this one on every address
        Task<string> served = AnswerOnceAsync(backend);
        node.Create(Labelled("ready", port, ready: true));
        node.Create(Labelled("unready", port, ready: false));
        V1Service service = node.Api.Create(new V1Service
        {
            Metadata = new V1ObjectMeta { Name = "svc", NamespaceProperty = "default" },
            Spec = new V1ServiceSpec { Selector = new Dictionary<string, string> { ["app"] = "x" }, Ports = [new V1ServicePort { Name = "http", Port = servicePort, TargetPort = "named" }] },
        });
        V1Pod ready = await node.ReadyAsync("ready");
        V1Pod unready = await node.UntilAsync<V1Pod>("unready", p => p.Status?.Phase == "Running", "run");

        V1Endpoints endpoints = await node.UntilAsync<V1Endpoints>("svc", e => e.Subsets is [{ Addresses.Count: 1, NotReadyAddresses.Count: 1 }], "have one ready address");
        Assert.Equal(ready.Status.PodIP, endpoints.Subsets[0].Addresses[0].Ip);
        Assert.Equal(unready.Status.PodIP, endpoints.Subsets[0].NotReadyAddresses[0].Ip);
        Assert.Equal(port, endpoints.Subsets[0].Ports[0].Port);

        // The backend listens on every loopback address, so it stands for the process in the pod.
        string answer = "";
        await Eventually.TrueAsync(() => TryAsk(service.Spec.ClusterIP, servicePort, out answer), () => "the cluster IP should answer");
        Assert.Equal("echo: hello", answer);
        Assert.Equal("hello", await served);
    }

    [Fact]
    public async Task Relay_skips_dead_targets_and_passes_half_closes()
    {
        using var backend = new TcpListener(IPAddress.Loopback, 0);
        backend.Start();
        Task<string> served = AnswerOnceAsync(backend);
        await using var relay = new TcpRelay(new IPEndPoint(IPAddress.Loopback, 0), NullLogger.Instance);
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var dead = (IPEndPoint)closed.LocalEndpoint;
        closed.Stop();
        relay.SetTargets([dead, (IPEndPoint)backend.LocalEndpoint, dead]);

        Assert.True(TryAsk("127.0.0.1", relay.Address.Port, out string answer));

        Assert.Equal("echo: hello", answer);
        Assert.Equal("hello", await served);
    }

    private static V1Pod Labelled(string name, int port, bool ready)
    {
        V1Pod pod = Pod.Script(name, "sleep 1000", container: c =>
        {
            c.Ports = [new V1ContainerPort { Name = "named", ContainerPort = port }];
            c.ReadinessProbe = new V1Probe { Exec = new V1ExecAction { Command = [ready ? "true" : "false"] }, PeriodSeconds = 1 };
        });
        pod.Metadata.Labels = new Dictionary<string, string> { ["app"] = "x" };
        return pod;
    }

    // Reads to the client's half-close, and only then answers.
    private static async Task<string> AnswerOnceAsync(TcpListener listener)
    {
        using TcpClient client = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        using var reader = new StreamReader(client.GetStream());
        string asked = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes($"echo: {asked}"), TestContext.Current.CancellationToken);
        return asked;
    }

    private static bool TryAsk(string address, int port, out string answer)
    {
        answer = "";
        try
        {
            using var client = new TcpClient();
            client.Connect(address, port);
            NetworkStream stream = client.GetStream();
            stream.Write("hello"u8);
            client.Client.Shutdown(SocketShutdown.Send);
            using var reader = new StreamReader(stream);
            answer = reader.ReadToEnd();
            return answer.Length > 0;
        }
        catch (Exception refused) when (refused is SocketException or IOException)
        {
            return false;
        }
    }
}
