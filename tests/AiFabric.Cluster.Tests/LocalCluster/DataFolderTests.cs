using AiFabric.Cluster.Tests.EndToEnd;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.LocalCluster.Storage;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster;

/// <summary>The executable on a data folder that has a cluster already.</summary>
public sealed class DataFolderTests
{
    [Fact]
    public async Task A_second_cluster_on_a_folder_is_refused_with_one_line_that_names_the_first()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("aifabric-folder-");
        try
        {
            using DataFolderLock first = DataFolderLock.Take(folder.FullName);
            Said said = await Shell.TryAsync(
                FabricFixture.Executable("AiFabric.LocalCluster", "AiFabric.LocalCluster"),
                ["--data-dir", folder.FullName, "--port", "0", "--no-node", "--no-controllers"],
                new Dictionary<string, string?>(),
                seconds: 30);
            Assert.Equal(1, said.ExitCode);
            Assert.Equal(
                $"--data-dir {folder.FullName} is in use by the local cluster that is process {Environment.ProcessId}; stop it or name another folder",
                said.Text.TrimEnd());
            Assert.False(File.Exists(Path.Combine(folder.FullName, "cluster.db")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
