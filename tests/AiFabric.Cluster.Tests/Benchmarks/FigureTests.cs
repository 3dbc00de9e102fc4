using AiFabric.Benchmarks.Machine;
using Xunit;

namespace AiFabric.Cluster.Tests.Benchmarks;

public sealed class FigureTests
{
    private const string Before = """
        # TYPE t histogram
        t_bucket{controller="a",le="0.1"} 10
        t_bucket{controller="a",le="1"} 10
        t_bucket{controller="a",le="+Inf"} 10
        """;

    private const string After = """
        t_bucket{controller="a",le="0.1"} 60
        t_bucket{controller="a",le="1"} 110
        t_bucket{controller="a",le="+Inf"} 110
        t_bucket{controller="b",le="+Inf"} 7
        c_total{controller="a",result="success"} 3
        c_total{controller="a",result="error"} 2
        """;

    [Fact]
    public void A_quantile_is_that_of_what_was_observed_between_two_scrapes()
    {
        Exposition before = Exposition.Parse(Before), after = Exposition.Parse(After);
        // 100 observations: half within 0.1 s, half between 0.1 and 1 s.
        Assert.Equal(0.1, after.Quantile("t", 0.5, before, "controller=\"a\"")!.Value, 3);
        Assert.Equal(0.55, after.Quantile("t", 0.75, before, "controller=\"a\"")!.Value, 3);
        Assert.Null(after.Quantile("t", 0.5, before, "controller=\"c\""));
        Assert.Equal(5, after.Sum("c_total", "controller=\"a\""));
    }

    [Fact]
    public async Task An_audit_log_is_counted_as_it_grows_and_half_a_line_waits()
    {
        string path = Path.GetTempFileName();
        try
        {
            var log = new AuditLog(path);
            string status = """{"verb":"patch","objectRef":{"resource":"models","name":"ä","subresource":"status"}}""";
            await File.WriteAllTextAsync(path, status + "\n" + """{"verb":"update","objectRef":{"resource":"leases"}}""" + "\n" + status[..20]);
            IReadOnlyDictionary<RequestKind, int> first = log.Next();
            Assert.Equal(1, first[new RequestKind("models/status", "patch")]);
            Assert.Equal(1, AuditLog.Writes(first));
            await File.AppendAllTextAsync(path, status[20..] + "\n" + """{"verb":"get","objectRef":{"resource":"models"}}""" + "\n");
            IReadOnlyDictionary<RequestKind, int> next = log.Next();
            Assert.Equal(1, next[new RequestKind("models/status", "patch")]);
            Assert.Equal(1, next[new RequestKind("models", "get")]);
            Assert.Equal(2, next.Count);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
