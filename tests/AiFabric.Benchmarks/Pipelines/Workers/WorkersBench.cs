using System.Diagnostics;
using AiFabric.Benchmarks.Machine;
using AiFabric.Crds.Pipelines;
using k8s;

namespace AiFabric.Benchmarks.Pipelines.Workers;

/// <summary>What is measured on workers.</summary>
/// <param name="Loads">Requests per second.</param>
/// <param name="Seconds">Of arrivals, for each load and way.</param>
/// <param name="Workers">Replicas of the demo model, a thread each.</param>
/// <param name="TargetFactor">The latency target: so many times the median of barriers one by one.</param>
/// <param name="Seed">Of arrivals and prompts.</param>
internal sealed record WorkersOptions(IReadOnlyList<double> Loads, double Seconds, int Workers, double TargetFactor, int Seed);

/// <summary>
/// The verification sample on the local fabric: real gateway, real workers of the demo model, a real function that searches by BM25. The same pipeline twice, streaming and with
/// barriers, one after the other under the same arrivals.
/// </summary>
internal static class WorkersBench
{
    private const string Streaming = "verification";
    private const string Barrier = "verification-barrier";

    /// <exception cref="BenchException">Something could not be started, or a request failed.</exception>
    public static async Task<PipelineRow> RunAsync(string repository, WorkersOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        await using BenchFabric fabric = await BenchFabric.StartAsync(repository, cancellationToken);
        await fabric.ServeDemoAsync(options.Workers, cancellationToken);
        await fabric.DeclareAsync(Read(repository, Streaming, PipelineExecution.Streaming), cancellationToken);
        await fabric.DeclareAsync(Read(repository, Barrier, PipelineExecution.Barrier), cancellationToken);
        using var client = new ChatClient(fabric.Gateway);
        await client.OneByOneAsync(Streaming, cancellationToken); // Warms caches and compiled code.
        await client.OneByOneAsync(Barrier, cancellationToken);
        Latencies alone = Latencies.Of(await client.OneByOneAsync(Barrier, cancellationToken));
        Latencies aloneStreaming = Latencies.Of(await client.OneByOneAsync(Streaming, cancellationToken));
        say($"one by one: streaming {aloneStreaming.P50:0.000} s, barriers {alone.P50:0.000} s (median)");
        var loads = new List<LoadPoint>();
        foreach (double load in options.Loads)
        {
            Latencies streaming = Latencies.Of(await client.LoadAsync(Streaming, load, options.Seconds, options.Seed, cancellationToken));
            Latencies barrier = Latencies.Of(await client.LoadAsync(Barrier, load, options.Seconds, options.Seed, cancellationToken));
            loads.Add(new LoadPoint(load, streaming, barrier));
            say(PipelineReport.Line(loads[^1]));
        }
        double freed = await FreedAsync(fabric, client, cancellationToken);
        say($"places of the subtree free {freed:0} ms after the client left (median of {Leavers})");
        return PipelineBench.Row("workers", alone.P50 * options.TargetFactor, loads) with { FreedMilliseconds = freed };
    }

    private const int Leavers = 15;

    /// <summary>
    /// The median time from a client's leaving until no worker has a request of it. Clients leave when the answer's first verdict or claim is there, so that several stages are at work.
    /// The workers are asked again and again: what asking takes is in it.
    /// </summary>
    private static async Task<double> FreedAsync(BenchFabric fabric, ChatClient client, CancellationToken cancellationToken)
    {
        IReadOnlyList<Uri> workers = await fabric.WorkersAsync(cancellationToken);
        using var http = new HttpClient();
        var times = new List<double>();
        while (times.Count < Leavers)
        {
            using HttpResponseMessage answer = await client.BeginAsync(Streaming, "The state of the Union", cancellationToken);
            await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
            await stream.ReadAtLeastAsync(new byte[1], 1, cancellationToken: cancellationToken); // A stage's text is there.
            if (await BusyAsync() < 2)
                continue; // Nearly done.
            long left = Stopwatch.GetTimestamp();
            answer.Dispose();
            while (await BusyAsync() > 0)
                cancellationToken.ThrowIfCancellationRequested();
            times.Add(Stopwatch.GetElapsedTime(left).TotalMilliseconds);
        }
        return times.Order().ElementAt(Leavers / 2);

        async Task<double> BusyAsync()
        {
            string[] texts = await Task.WhenAll(workers.Select(worker => http.GetStringAsync(new Uri(worker, "/metrics"), cancellationToken)));
            return texts.Select(Exposition.Parse).Sum(metrics => metrics.Sum("vllm:num_requests_running") + metrics.Sum("vllm:num_requests_waiting"));
        }
    }

    private static Pipeline Read(string repository, string name, PipelineExecution execution)
    {
        var pipeline = KubernetesYaml.Deserialize<Pipeline>(File.ReadAllText(Path.Combine(repository, "samples", "pipelines", "verification.yaml")));
        (pipeline.Metadata.Name, pipeline.Metadata.NamespaceProperty, pipeline.Spec.Execution) = (name, BenchFabric.Space, execution);
        return pipeline;
    }
}
