using AiFabric.Cli;
using AiFabric.Cli.Fabric;
using AiFabric.LocalCluster.Storage;
using Xunit;

namespace AiFabric.Tests.Cli;

/// <summary>Which processes of a data folder run, by what they left in it.</summary>
public sealed class FabricPathsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-paths-");

    private FabricPaths Paths => new(_folder.FullName);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_cluster_that_locked_the_folder_is_found()
    {
        Assert.Null(Paths.RunningCluster());
        using DataFolderLock taken = DataFolderLock.Take(Paths.Cluster);
        Assert.Equal(ProcessMark.Current, Paths.RunningCluster());
    }

    [Fact]
    public void A_locked_folder_is_not_locked_again_until_it_is_left()
    {
        using (DataFolderLock.Take(Paths.Cluster))
        {
            string problem = Assert.Throws<DataFolderInUseException>(() => DataFolderLock.Take(Paths.Cluster)).Message;
            Assert.Contains(Paths.Cluster, problem, StringComparison.Ordinal);
            Assert.Contains($"process {Environment.ProcessId};", problem, StringComparison.Ordinal);
        }

        DataFolderLock.Take(Paths.Cluster).Dispose();
    }

    [Fact]
    public void Another_process_that_got_the_clusters_number_is_not_taken_for_it()
    {
        Directory.CreateDirectory(Paths.Cluster);
        File.WriteAllText(Path.Combine(Paths.Cluster, "cluster.pid"), (ProcessMark.Current with { StartTicks = 1 }).ToString());
        Assert.Null(Paths.RunningCluster());
    }

    [Fact]
    public void A_supervisor_runs_from_its_record_until_it_is_forgotten()
    {
        Assert.Null(Paths.RunningSupervisor());
        Paths.RecordSupervisor(new FabricPorts(6500, 9090));
        Assert.Equal((ProcessMark.Current, new FabricPorts(6500, 9090)), (Paths.RunningSupervisor(), Paths.RunningPorts()));
        Paths.ForgetSupervisor();
        Assert.Null(Paths.RunningSupervisor());
        Assert.Null(Paths.RunningPorts());
    }

    [Fact]
    public void A_folder_that_holds_something_else_is_neither_taken_nor_purged()
    {
        string own = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder.FullName, "data")).FullName, "train.jsonl");
        File.WriteAllText(own, "{}");
        Assert.Contains("--data-dir", Assert.Throws<CliException>(Paths.Prepare).Message, StringComparison.Ordinal);
        Assert.Equal($"{_folder.FullName} holds no fabric; nothing was deleted", Assert.Throws<CliException>(Paths.Purge).Message);
        Assert.Equal([own], Directory.EnumerateFiles(_folder.FullName, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_folder_that_a_fabric_was_in_is_taken_again_and_purged_whole()
    {
        var paths = new FabricPaths(Path.Combine(_folder.FullName, "fabric"));
        paths.Prepare();
        File.WriteAllText(Path.Combine(paths.Data, "adapter"), "");
        paths.Prepare();
        paths.Purge();
        Assert.False(Directory.Exists(paths.Root));
        paths.Purge();

        Directory.CreateDirectory(paths.Root); // empty, as someone made it for a fabric
        paths.Prepare();
        DataFolderLock.Take(paths.Cluster).Dispose();
        File.Delete(paths.Log); // it may be thrown away
        paths.Prepare();
    }

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("twelve 5")]
    [InlineData("12 5 7")]
    public void A_damaged_record_names_no_process(string text) => Assert.Null(ProcessMark.Parse(text));
}
