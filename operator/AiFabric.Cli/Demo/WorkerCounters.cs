using System.Globalization;

namespace AiFabric.Cli.Demo;

/// <summary>Sums of a worker's Prometheus counters.</summary>
/// <param name="FinetuneTokens">Training tokens, forward passes only, so that each is counted once.</param>
/// <param name="GeneratedTokens">Tokens sampled.</param>
/// <param name="CoServedIterations">Iterations whose one forward pass carried both kinds of token.</param>
public readonly record struct WorkerCounters(double FinetuneTokens, double GeneratedTokens, double CoServedIterations)
{
    /// <summary>Reads the text format.</summary>
    public static WorkerCounters Parse(string metrics)
    {
        double Sum(string name, string label = "") => metrics.Split('\n')
            .Where(l => l.StartsWith(name, StringComparison.Ordinal) && l.Length > name.Length && l[name.Length] is ' ' or '{' && l.Contains(label, StringComparison.Ordinal))
            .Sum(l => double.Parse(l.AsSpan(l.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture));

        return new WorkerCounters(
            Sum("aifabric_engine_finetune_tokens_total", "phase=\"forward\""),
            Sum("vllm:generation_tokens_total"),
            Sum("aifabric_engine_coserved_iterations_total"));
    }

    public static WorkerCounters operator +(WorkerCounters a, WorkerCounters b) =>
        new(a.FinetuneTokens + b.FinetuneTokens, a.GeneratedTokens + b.GeneratedTokens, a.CoServedIterations + b.CoServedIterations);
}
