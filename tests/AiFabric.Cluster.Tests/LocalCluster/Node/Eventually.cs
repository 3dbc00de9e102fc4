using System.Diagnostics;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.Node;

/// <summary>Waits for what real processes do in their own time.</summary>
internal static class Eventually
{
    /// <summary>Polls until the condition holds; fails with <paramref name="otherwise"/> after the deadline.</summary>
    public static async Task TrueAsync(Func<bool> condition, Func<string> otherwise, int seconds = 20)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed.TotalSeconds > seconds)
            {
                Assert.Fail(otherwise());
            }

            await Task.Delay(25, TestContext.Current.CancellationToken);
        }
    }
}
