using System.Runtime.CompilerServices;
using System.Text;
using AiFabric.Gateway;
using AiFabric.Kube;
using AiFabric.Operator;
using AiFabric.Worker;
using Prometheus;

namespace AiFabric.Tests.Chart;

/// <summary>Every series that operator, gateway and worker expose, by the name that Prometheus stores.</summary>
internal static class RegisteredMetrics
{
    public static async Task<HashSet<string>> NamesAsync()
    {
        CollectorRegistry operators = Metrics.NewCustomRegistry();
        _ = new KubeMetrics(operators);
        _ = new OperatorMetrics(operators);
        RuntimeHelpers.RunClassConstructor(typeof(GatewayMetrics).TypeHandle);
        string worker = await new WorkerMetrics("model", TimeSpan.FromSeconds(1)).ExportAsync(CancellationToken.None);
        return [.. (await ExportAsync(operators) + await ExportAsync(Metrics.DefaultRegistry) + worker).Split('\n').SelectMany(Series)];
    }

    private static async Task<string> ExportAsync(CollectorRegistry registry)
    {
        using var text = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(text);
        return Encoding.UTF8.GetString(text.ToArray());
    }

    /// <summary>From lines such as <c># TYPE name histogram</c>.</summary>
    private static IEnumerable<string> Series(string line) => line.Split(' ') switch
    {
        ["#", "TYPE", var name, "histogram"] => [name + "_bucket", name + "_sum", name + "_count"],
        ["#", "TYPE", var name, _] => [name],
        _ => [],
    };
}
