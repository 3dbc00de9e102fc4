using System.Net;
using System.Net.Sockets;

namespace AiFabric.LocalCluster.Controllers.Services;

/// <summary>Listens on one address and port and forwards each connection to one of the targets, in turn. Bytes flow at once; half-closes pass through.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private readonly TcpListener _listener;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private volatile IPEndPoint[] _targets = [];
    private int _next;

    /// <exception cref="SocketException">The address cannot be listened on.</exception>
    public TcpRelay(IPEndPoint address, ILogger logger)
    {
        _logger = logger;
        _listener = new TcpListener(address);
        _listener.Start();
        _accepting = Task.Run(AcceptAsync);
    }

    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>Where new connections go; those in flight stay.</summary>
    public void SetTargets(IPEndPoint[] targets) => _targets = targets;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Socket client = await _listener.AcceptSocketAsync(_stop.Token);
                _ = Task.Run(() => ServeAsync(client, _stop.Token));
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException failure)
            {
                Log.RelayFailed(_logger, Address, failure);
            }
        }
    }

    private async Task ServeAsync(Socket client, CancellationToken cancellationToken)
    {
        using (client)
        {
            try
            {
                using Socket? server = await ConnectAsync(cancellationToken);
                if (server is null)
                {
                    client.Close(0); // a reset, as from a service without endpoints
                    return;
                }

                client.NoDelay = true;
                await Task.WhenAll(PumpAsync(client, server, cancellationToken), PumpAsync(server, client, cancellationToken));
            }
            catch (Exception end) when (end is SocketException or IOException or OperationCanceledException)
            {
                // One side has gone; disposing both tells the other.
            }
        }
    }

    private async Task<Socket?> ConnectAsync(CancellationToken cancellationToken)
    {
        IPEndPoint[] targets = _targets;
        uint first = (uint)Interlocked.Increment(ref _next);
        for (uint i = 0; i < targets.Length; i++)
        {
            var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limited.CancelAfter(ConnectTimeout);
            try
            {
                await server.ConnectAsync(targets[(first + i) % targets.Length], limited.Token);
                return server;
            }
            catch (Exception refused) when (refused is SocketException or OperationCanceledException)
            {
                server.Dispose();
                Log.RelayFailed(_logger, targets[(first + i) % targets.Length], refused);
            }
        }

        return null;
    }

    private static async Task PumpAsync(Socket from, Socket to, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            int read;
            while ((read = await from.ReceiveAsync(buffer, cancellationToken)) > 0)
            {
                for (int sent = 0; sent < read;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), cancellationToken);
                }
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // A reset on either side ends both directions, or the other pump would wait for ever.
            from.Dispose();
            to.Dispose();
            throw;
        }
    }
}
