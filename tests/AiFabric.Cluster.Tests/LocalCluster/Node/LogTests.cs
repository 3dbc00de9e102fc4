using AiFabric.LocalCluster.Node.Containers;
using AiFabric.LocalCluster.Node.Logs;
using AiFabric.LocalCluster.Registry;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.Node;

public sealed class LogTests
{
    [Fact]
    public async Task Following_reader_sees_each_line_once_until_the_container_ends()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("talk", "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; [ $((i % 50)) = 0 ] && sleep 0.1; done; printf unfinished", "Never"));
        await node.UntilAsync<V1Pod>("talk", p => p.Status?.Phase is "Running" or "Succeeded", "run");

        IReadOnlyList<string> lines = await node.LogAsync("talk", change: r => r with { Follow = true });

        Assert.Equal([.. Enumerable.Range(1, 300).Select(i => $"line {i}"), "unfinished"], lines);
        Assert.Equal(["line 300", "unfinished"], await node.LogAsync("talk", change: r => r with { TailLines = 2 }));
    }

    [Fact]
    public async Task Waiting_container_has_no_log_yet()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("waits", "", container: c => c.Command = null));
        await node.UntilAsync<V1Pod>("waits", p => p.MainContainer().State.Waiting?.Reason.Contains("Image") == true, "wait for its image");

        ApiException refusal = await Assert.ThrowsAsync<ApiException>(() => node.LogAsync("waits"));

        Assert.Equal(400, refusal.Code);
        Assert.Contains("is waiting to start", refusal.Message);
    }

    [Theory]
    [InlineData(true, "first")]
    [InlineData(false)]
    public async Task Log_that_the_container_has_not_made_yet_is_waited_for_by_who_follows(bool follow, params string[] expected)
    {
        var folder = new RunFolder(Directory.CreateTempSubdirectory("aifabric-log-").FullName);
        int asked = 0;

        // Made between the second and the third look; then the container ends.
        bool IsRunning()
        {
            if (++asked == 2)
            {
                File.WriteAllText(folder.LogFile, "first\n");
            }

            return asked < 3;
        }

        Assert.Equal(expected, (await ReadAsync(folder, new PodLogRequest("ns", "pod", "main") { Follow = follow }, IsRunning)).Select(l => l.Text));
        Directory.Delete(folder.Path, recursive: true);
    }

    [Fact]
    public async Task Long_log_loses_its_oldest_part_and_nothing_else()
    {
        var folder = new RunFolder(Directory.CreateTempSubdirectory("aifabric-log-").FullName);
        var store = new LogStore(folder, maxBytes: 64 * 1024);
        var time = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        int written = 0;
        for (int round = 0; round < 40; round++)
        {
            await File.AppendAllLinesAsync(folder.LogFile, Enumerable.Range(0, 500).Select(_ => $"line {++written}"), TestContext.Current.CancellationToken);
            store.Observe(time.AddMinutes(round));
        }

        List<PodLogLine> lines = await ReadAsync(folder, new PodLogRequest("ns", "pod", "main"));
        List<PodLogLine> recent = await ReadAsync(folder, new PodLogRequest("ns", "pod", "main") { Since = time.AddMinutes(39) });

        Assert.Equal($"line {written}", lines[^1].Text);
        Assert.InRange(lines.Count, 2_000, 8_000);
        Assert.Equal(Enumerable.Range(written - lines.Count + 1, lines.Count).Select(i => $"line {i}"), lines.Select(l => l.Text));
        Assert.Equal(500, recent.Count);
        Assert.All(recent, l => Assert.Equal(time.AddMinutes(39), l.Time));
        Directory.Delete(folder.Path, recursive: true);
    }

    private static async Task<List<PodLogLine>> ReadAsync(RunFolder folder, PodLogRequest request, Func<bool>? isRunning = null)
    {
        var lines = new List<PodLogLine>();
        await foreach (PodLogLine line in new LogReader(folder, TimeProvider.System).ReadAsync(request, isRunning ?? (() => false), TestContext.Current.CancellationToken))
        {
            lines.Add(line);
        }

        return lines;
    }
}
