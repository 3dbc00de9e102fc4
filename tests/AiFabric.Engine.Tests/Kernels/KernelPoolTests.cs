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

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_more_threads_than_its_width_take_work(int width)
    {
        using var pool = new KernelPool(4) { Width = width };
        int[] owners = new int[64];
        fixed (int* first = owners)
        {
            for (int round = 0; round < 200; round++)
            {
                var job = new OwnerJob(first);
                pool.Run(ref job, owners.Length, scratchFloats: 0);
                Assert.DoesNotContain(0, owners);
                Assert.InRange(owners.Distinct().Count(), 1, width);
                Array.Clear(owners);
            }
        }
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(9, 4)]
    public void A_width_is_one_thread_at_least_and_all_at_most(int width, int expected)
    {
        using var pool = new KernelPool(4) { Width = width };

        Assert.Equal(expected, pool.Width);
    }

    [Fact]
    public void Threads_that_were_left_out_come_back_when_the_width_rises()
    {
        using var pool = new KernelPool(3) { Width = 1 };
        int arrived = 0;
        var alone = new MeetJob(&arrived, 0);
        pool.Run(ref alone, 3, scratchFloats: 0);
        pool.Width = 3;

        // Each piece waits for the two others.
        var job = new MeetJob(&arrived, 6);
        pool.Run(ref job, 3, scratchFloats: 0);
        Assert.Equal(6, arrived);
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

    private readonly struct OwnerJob(int* owners) : IKernelJob
    {
        public void Run(int piece, float* scratch) => owners[piece] = Environment.CurrentManagedThreadId;
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
