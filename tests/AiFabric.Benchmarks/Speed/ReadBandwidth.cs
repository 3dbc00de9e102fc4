using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using AiFabric.Engine.Kernels;

namespace AiFabric.Benchmarks.Speed;

/// <summary>How fast this machine's memory can be read by some threads. A virtual machine's changes from minute to minute, so it is measured in turn with what is compared to it.</summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    private const long Bytes = 512L << 20; // Many times the caches.
    private const int Pieces = 512;

    private readonly KernelPool pool;
    private readonly NativeBuffer memory = new(Bytes);

    /// <param name="threads">Threads that read.</param>
    public ReadBandwidth(int threads)
    {
        pool = new KernelPool(threads);
        for (int i = 0; i < Pieces; i++)
            new Span<byte>((byte*)memory.Data + (i * (Bytes / Pieces)), (int)(Bytes / Pieces)).Fill(1);
    }

    /// <returns>Bytes per second of one pass.</returns>
    public double Measure()
    {
        var job = new ReadJob((byte*)memory.Data, Bytes / Pieces);
        long start = Stopwatch.GetTimestamp();
        pool.Run(ref job, Pieces, scratchFloats: 1);
        return Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public void Dispose()
    {
        pool.Dispose();
        memory.Dispose();
    }

    private readonly struct ReadJob(byte* data, long piece) : IKernelJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int number, float* scratch)
        {
            byte* from = data + (number * piece);
            Vector<int> a = default, b = default, c = default, d = default;
            int width = Vector<byte>.Count;
            for (long i = 0; i < piece; i += 4 * width)
            {
                a += Vector.Load((int*)(from + i));
                b += Vector.Load((int*)(from + i + width));
                c += Vector.Load((int*)(from + i + (2 * width)));
                d += Vector.Load((int*)(from + i + (3 * width)));
            }
            *scratch = Vector.Sum(a + b + c + d);
        }
    }
}
