using AiFabric.Cluster.Tests.EndToEnd;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Crds.FinetuneJobs;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>A disk that fills up under a FinetuneJob.</summary>
[Trait("Suite", "chaos")]
[Collection(ChaosRuns.Name)]
public sealed class FullDiskTests(ChaosFabric fabric, ITestOutputHelper output)
{
    [Fact]
    public async Task A_full_disk_stops_the_job_with_its_reason_and_costs_no_chat()
    {
        ChaosRow row = await Ordeal.EndureAsync(fabric, output, new Fault("disk of the checkpoints full, then freed", async ordeal =>
        {
            string ballast = Path.Combine(fabric.Data, "ballast");
            await FillAsync(ballast);
            await StartJobAsync();
            V1Condition? told = null;
            await FabricFixture.UntilAsync(
                async () => (told = await NoSpaceAsync()) is not null, () => "a condition that names the full disk", seconds: 180);
            output.WriteLine($"{told!.Type}={told.Status} {told.Reason}: {told.Message}"); // Just found.
            File.Delete(ballast);
            ordeal.Over();
            await FabricFixture.UntilAsync(
                async () => await ConditionAsync("Complete") is { Status: "True" }, () => "the job to complete once there is room", seconds: 240);
        })
        {
            TidyAsync = () => fabric.Plane.KubectlAsync(["delete", "ftj/full-disk", "adp/full-disk"]),
        });
        Assert.Empty(row.Load.Failures);
    }

    private async Task StartJobAsync()
    {
        string sample = await File.ReadAllTextAsync(Path.Combine(ControlPlane.Repository, "samples", "kubernetes", "finetune.yaml"));
        await fabric.Plane.KubectlAsync(["apply", "-f", "-"], sample
            .Replace("name: jargon", "name: full-disk", StringComparison.Ordinal)
            .Replace("name: demo", $"name: {ChaosFabric.Model}", StringComparison.Ordinal)
            .Replace("adapterName: jargon", "adapterName: full-disk", StringComparison.Ordinal)
            .Replace("batchSize: 4", "batchSize: 1", StringComparison.Ordinal)
            .Replace("sequenceLength: 256", "sequenceLength: 128", StringComparison.Ordinal)
            .Replace("maxSteps: 60", "maxSteps: 8", StringComparison.Ordinal)
            .Replace("intervalSteps: 10", "intervalSteps: 2", StringComparison.Ordinal));
    }

    /// <summary>Writes until nothing fits any more.</summary>
    private static async Task FillAsync(string path)
    {
        await using FileStream file = File.Create(path);
        try
        {
            while (true)
                await file.WriteAsync(new byte[4096]);
        }
        catch (IOException)
        {
            // Full.
        }
    }

    private async Task<V1Condition?> NoSpaceAsync() => (await ConditionsAsync())
        .FirstOrDefault(condition => condition.Message?.Contains("No space left", StringComparison.OrdinalIgnoreCase) == true);

    private async Task<V1Condition?> ConditionAsync(string type) => (await ConditionsAsync()).FirstOrDefault(condition => condition.Type == type);

    private async Task<IEnumerable<V1Condition>> ConditionsAsync() =>
        (await fabric.Client.GetAsync<FinetuneJob>("full-disk", ChaosFabric.Space))?.Status?.Conditions ?? [];
}
