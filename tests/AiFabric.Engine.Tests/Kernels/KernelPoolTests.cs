using AiFabric.Engine.Kernels;
using Xunit;

namespace AiFabric.Engine.Tests.Kernels;

public sealed unsafe class KernelPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_piece_runs_once_and_before_the_call_returns(int threads)
    {
        using var pool = new KernelPool(threads);
        int[] counts = new int[97];
        fixed (int* first = counts)
        {
            for (int round = 1; round <= 2_000; round++)
            {
                var job = new CountJob(first);
                pool.Run(ref job, counts.Length, scratchFloats: 8);
                Assert.All(counts, count => Assert.Equal(round, count));
            }
        }
    }

    [Fact]
    public void Threads_without_work_sleep_and_are_woken_by_work()
    {
        using var pool = new KernelPool(3);
        int arrived = 0;
        for (int round = 1; round <= 20; round++)
        {
            Assert.True(SpinWait.SpinUntil(() => pool.Sleeping == 2, TimeSpan.FromSeconds(30)));
            // Each piece waits for the two others, so that all three threads must come.
            var job = new MeetJob(&arrived, 3 * round);
            pool.Run(ref job, 3, scratchFloats: 0);
        }
        Assert.Equal(60, arrived);
    }

    private readonly struct CountJob(int* counts) : IKernelJob
    {
        public void Run(int piece, float* scratch)
        {
            scratch[7] = piece;
            Interlocked.Increment(ref counts[piece]);
        }
    }

    private readonly struct MeetJob(int* arrived, int wanted) : IKernelJob
    {
        public void Run(int piece, float* scratch)
        {
            Interlocked.Increment(ref *arrived);
            var wait = default(SpinWait);
            while (Volatile.Read(ref *arrived) < wanted)
                wait.SpinOnce(sleep1Threshold: -1);
        }
    }
}
