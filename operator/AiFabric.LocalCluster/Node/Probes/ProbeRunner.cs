using System.Globalization;
using System.Net.Sockets;
using AiFabric.LocalCluster.Node.Containers;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Probes;

/// <summary>What a probe or hook acts on.</summary>
internal sealed record ProbeTarget(string PodIp, V1Container Container, ContainerHandle Handle);

/// <summary>Carries out HTTP, TCP and exec probes and hooks.</summary>
internal sealed class ProbeRunner : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        PooledConnectionLifetime = TimeSpan.Zero, // as a kubelet: each probe shows whether a new connection works
#pragma warning disable CA5359 // a probe asks whether the container answers; as with a kubelet, its certificate is not checked
        SslOptions = { RemoteCertificateValidationCallback = static (_, _, _, _) => true },
#pragma warning restore CA5359
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <returns>Null for success, else what went wrong.</returns>
    public async Task<string?> RunAsync(V1Probe probe, ProbeTarget target, CancellationToken cancellationToken)
    {
        TimeSpan timeout = TimeSpan.FromSeconds(probe.TimeoutSeconds ?? 1);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(timeout);
        try
        {
            return probe switch
            {
                { HttpGet: { } http } => await HttpAsync(http, target, limited.Token),
                { TcpSocket: { } tcp } => await TcpAsync(tcp, target, limited.Token),
                { Exec.Command: { Count: > 0 } command } => await ExecAsync(command, target, limited.Token),
                _ => "this node runs httpGet, tcpSocket and exec probes only",
            };
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"no answer within {timeout.TotalSeconds:0}s";
        }
        catch (Exception failure) when (failure is HttpRequestException or SocketException or IOException or ConfigException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return failure.Message;
        }
    }

    /// <summary>Runs a lifecycle hook.</summary>
    /// <returns>Null for success, else what went wrong.</returns>
    public Task<string?> RunHookAsync(V1LifecycleHandler hook, ProbeTarget target, TimeSpan timeout, CancellationToken cancellationToken) =>
        hook.Sleep is { } sleep
            ? SleepAsync(sleep.Seconds, cancellationToken)
            : RunAsync(
                new V1Probe { HttpGet = hook.HttpGet, TcpSocket = hook.TcpSocket, Exec = hook.Exec, TimeoutSeconds = (int)Math.Ceiling(timeout.TotalSeconds) },
                target, cancellationToken);

    public void Dispose() => _http.Dispose();

    private static async Task<string?> SleepAsync(long seconds, CancellationToken cancellationToken)
    {
        await Task.Delay(TimeSpan.FromSeconds(seconds), cancellationToken);
        return null;
    }

    private async Task<string?> HttpAsync(V1HTTPGetAction http, ProbeTarget target, CancellationToken cancellationToken)
    {
        string scheme = http.Scheme?.ToLowerInvariant() ?? "http";
        string path = http.Path ?? "/";
        var address = new Uri($"{scheme}://{(string.IsNullOrEmpty(http.Host) ? target.PodIp : http.Host)}:{Port(http.Port.Value, target)}{(path.StartsWith('/') ? "" : "/")}{path}");
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.TryAddWithoutValidation("User-Agent", "kube-probe/aifabric");
        foreach (V1HTTPHeader header in http.HttpHeaders ?? [])
        {
            request.Headers.TryAddWithoutValidation(header.Name, header.Value);
        }

        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        int code = (int)response.StatusCode;
        return code is >= 200 and < 400 ? null : $"HTTP probe failed with statuscode: {code}";
    }

    private static async Task<string?> TcpAsync(V1TCPSocketAction tcp, ProbeTarget target, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(string.IsNullOrEmpty(tcp.Host) ? target.PodIp : tcp.Host, Port(tcp.Port.Value, target), cancellationToken);
        return null;
    }

    private static async Task<string?> ExecAsync(IList<string> command, ProbeTarget target, CancellationToken cancellationToken)
    {
        (int code, string output) = await target.Handle.ExecAsync(command, cancellationToken);
        return code == 0 ? null : $"command exited with code {code}: {output.Trim()}";
    }

    private static int Port(string port, ProbeTarget target) =>
        int.TryParse(port, CultureInfo.InvariantCulture, out int number)
            ? number
            : target.Container.Ports?.FirstOrDefault(p => p.Name == port)?.ContainerPort ?? throw new ConfigException($"the container has no port named \"{port}\"");
}
