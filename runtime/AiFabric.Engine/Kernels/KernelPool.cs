using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AiFabric.Engine.Kernels;

/// <summary>
/// Threads for kernels. The caller works too. A thread without work spins for a moment, since the next kernel comes within microseconds, and
/// then sleeps, so that it takes nothing from others on the same cores: libtorch's threads, other pods. Each thread has a range of pieces, so that it
/// reads one stream of memory; it takes them one by one, and then what is left of others' ranges, so that a thread that lost its core delays at most the
/// piece it holds.
/// </summary>
internal sealed unsafe class KernelPool : IDisposable
{
    private static readonly long SpinTicks = Stopwatch.Frequency / 20_000; // 50 µs

    private readonly Worker[] workers;
    private readonly NativeBuffer[] scratch;
    private readonly Counter[] left;
    private readonly int[] ends;
    private delegate*<void*, int, float*, void> entry;
    private void* job;
    private Counter done;
    private Counter jobs;
    private volatile int width;
    private volatile bool stopping;

    /// <param name="threads">Threads that compute at the same time, the caller included.</param>
    public KernelPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        scratch = new NativeBuffer[threads];
        for (int i = 0; i < threads; i++)
            scratch[i] = new NativeBuffer();
        (left, ends) = (new Counter[threads], new int[threads]);
        workers = new Worker[threads - 1];
        width = threads;
        for (int i = 0; i < workers.Length; i++)
            workers[i] = new Worker(this, i + 1);
    }

    /// <summary>Threads that compute at the same time at most.</summary>
    public int Threads => scratch.Length;

    /// <summary>Threads that take work now, the caller included; the others leave their cores to somebody else. Any thread sets it; the next job has as many.</summary>
    public int Width
    {
        get => width;
        set => width = Math.Clamp(value, 1, Threads);
    }

    /// <summary>Threads that wait for work without using a core.</summary>
    public int Sleeping => workers.Count(worker => worker.IsAsleep);

    /// <summary>Memory for what one job makes and the next one reads on every thread.</summary>
    public NativeBuffer Shared { get; } = new();

    /// <summary>Runs all pieces of a job and returns when they are done. For one calling thread at a time.</summary>
    /// <param name="work">The job; stays where it is until this returns.</param>
    /// <param name="count">Pieces.</param>
    /// <param name="scratchFloats">Memory that a piece needs, in Float32.</param>
    public void Run<TJob>(ref TJob work, int count, long scratchFloats)
        where TJob : unmanaged, IKernelJob
    {
        int threads = width;
        if (threads == 1 || count <= 1)
        {
            RunHere(ref work, count, scratchFloats);
            return;
        }
        foreach (var buffer in scratch)
            buffer.Reserve(scratchFloats * sizeof(float));
        fixed (TJob* pointer = &work)
        {
            entry = &Invoke<TJob>;
            job = pointer;
            done.Value = 0;
            Share(count, threads);
            for (int i = 0; i < threads - 1; i++)
                workers[i].Wake();
            Help(0);
            var wait = default(SpinWait);
            while (Volatile.Read(ref done.Value) < count)
                wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>Runs all pieces on the calling thread.</summary>
    public void RunHere<TJob>(ref TJob work, int count, long scratchFloats)
        where TJob : unmanaged, IKernelJob
    {
        scratch[0].Reserve(scratchFloats * sizeof(float));
        for (int piece = 0; piece < count; piece++)
            work.Run(piece, (float*)scratch[0].Data);
    }

    public void Dispose()
    {
        stopping = true;
        foreach (var worker in workers)
            worker.Dispose();
        foreach (var buffer in scratch)
            buffer.Dispose();
        Shared.Dispose();
    }

    private static void Invoke<TJob>(void* job, int piece, float* scratch)
        where TJob : unmanaged, IKernelJob => ((TJob*)job)->Run(piece, scratch);

    private void Share(int count, int threads)
    {
        // A thread that joins later finds what is left of others' ranges.
        for (int thread = 0; thread < threads; thread++)
        {
            int start = (int)((long)count * thread / threads);
            ends[thread] = (int)((long)count * (thread + 1) / threads);
            Volatile.Write(ref left[thread].Value, ends[thread] - start);
        }
        Interlocked.Increment(ref jobs.Value);
    }

    private void Help(int self)
    {
        int finished = 0;
        for (int i = 0; i < left.Length; i++)
        {
            int range = (self + i) % left.Length;
            while (TryTake(range, out int piece))
            {
                entry(job, piece, (float*)scratch[self].Data);
                finished++;
            }
        }
        if (finished > 0)
            Interlocked.Add(ref done.Value, finished);
    }

    // Who has taken a piece may read the job and its ranges: they cannot be replaced before that piece is counted as done.
    private bool TryTake(int range, out int piece)
    {
        ref int value = ref left[range].Value;
        for (int seen; (seen = Volatile.Read(ref value)) > 0;)
        {
            if (Interlocked.CompareExchange(ref value, seen - 1, seen) != seen)
                continue;
            piece = ends[range] - seen;
            return true;
        }
        piece = 0;
        return false;
    }

    /// <summary>A number that threads change, far from all others: processors fetch lines of 64 bytes in pairs.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Counter
    {
        [FieldOffset(128)]
        public int Value;
    }

    private sealed class Worker : IDisposable
    {
        private readonly KernelPool pool;
        private readonly int number;
        private readonly SemaphoreSlim signal = new(0);
        private readonly Thread thread;
        private int asleep;

        public Worker(KernelPool pool, int number)
        {
            (this.pool, this.number) = (pool, number);
            thread = new Thread(Main) { Name = $"kernel-{number}", IsBackground = true };
            thread.Start();
        }

        public bool IsAsleep => Volatile.Read(ref asleep) == 1;

        private bool HasWork(int seen) => Volatile.Read(ref pool.jobs.Value) != seen && number < pool.width;

        public void Wake()
        {
            if (Volatile.Read(ref asleep) == 1 && Interlocked.CompareExchange(ref asleep, 0, 1) == 1)
                signal.Release();
        }

        public void Dispose()
        {
            signal.Release(); // Whether it sleeps or is about to: its next wait ends, and it sees that the pool stops.
            thread.Join();
            signal.Dispose();
        }

        private void Main()
        {
            int seen = 0;
            while (!pool.stopping)
            {
                if (!SpinForWork(seen))
                    Sleep(seen);
                seen = Volatile.Read(ref pool.jobs.Value);
                pool.Help(number);
            }
        }

        private bool SpinForWork(int seen)
        {
            for (long end = Stopwatch.GetTimestamp() + SpinTicks; Stopwatch.GetTimestamp() < end;)
            {
                if (HasWork(seen))
                    return true;
                Thread.SpinWait(8);
            }
            return false;
        }

        private void Sleep(int seen)
        {
            Interlocked.Exchange(ref asleep, 1);
            // Looks again after saying that it sleeps: who gave work before saw it awake, who gives work now sees it asleep.
            if ((pool.stopping || HasWork(seen)) && Interlocked.CompareExchange(ref asleep, 0, 1) == 1)
                return;
            signal.Wait();
        }
    }
}
