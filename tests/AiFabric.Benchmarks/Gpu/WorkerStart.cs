using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AiFabric.Benchmarks.Machine;
using AiFabric.Benchmarks.Speed;

namespace AiFabric.Benchmarks.Gpu;

/// <summary>Starts the worker as a pod would, until it is ready.</summary>
internal static class WorkerStart
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <returns>Seconds from the start of the process to the first 200 of <c>/ready</c>.</returns>
    /// <exception cref="BenchException">It ended, or was not ready in time; the message names its log.</exception>
    public static async Task<double> MeasureAsync(GpuOptions options, ModelFiles model, CancellationToken cancellationToken)
    {
        string log = Path.Combine(Directory.CreateDirectory(Path.Combine(options.Repository, "artifacts", "bench")).FullName, "gpu-worker.log");
        int port = FreePort();
        var environment = new Dictionary<string, string>
        {
            ["AIFABRIC_MODEL"] = "file://" + model.Folder,
            ["AIFABRIC_SERVED_NAME"] = "bench",
            ["AIFABRIC_PORT"] = port.ToString(CultureInfo.InvariantCulture),
            ["AIFABRIC_CONTROL_PORT"] = "0",
            ["AIFABRIC_DEVICE"] = options.Device,
            ["AIFABRIC_DTYPE"] = "bfloat16",
        };
        string worker = Repository.Executable(options.Repository, "AiFabric.Worker", "aifabric-worker");
        long start = Stopwatch.GetTimestamp();
        using Process process = Shell.Start(worker, environment, log, "serve");
        try
        {
            using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(5) };
            while (!await IsReadyAsync(client, cancellationToken))
            {
                if (process.HasExited || Stopwatch.GetElapsedTime(start) > Patience)
                    throw new BenchException($"the worker did not become ready; its log is {log}");
                await Task.Delay(20, cancellationToken);
            }
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    private static async Task<bool> IsReadyAsync(HttpClient client, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await client.GetAsync(new Uri("/ready", UriKind.Relative), cancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false; // It does not listen yet.
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
