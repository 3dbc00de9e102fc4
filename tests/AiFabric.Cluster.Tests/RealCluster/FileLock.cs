using System.Diagnostics;
using Xunit;

namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>A lock between processes, the same as flock(1) takes; it goes with its process, however that ends.</summary>
internal static class FileLock
{
    /// <summary>Waits until the lock is free.</summary>
    /// <exception cref="TimeoutException">Another process held it all the time.</exception>
    public static async Task<FileStream> TakeAsync(string path, TimeSpan patience)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None); // On Unix .NET holds this by flock(2).
            }
            catch (IOException) when (clock.Elapsed < patience)
            {
                await Task.Delay(200, TestContext.Current.CancellationToken);
            }
            catch (IOException e)
            {
                throw new TimeoutException($"{path} was held by another process for {patience}", e);
            }
        }
    }
}
