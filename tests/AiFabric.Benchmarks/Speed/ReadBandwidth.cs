using System.Diagnostics;
using System.Numerics;
using AiFabric.Engine.Kernels;

namespace AiFabric.Benchmarks.Speed;

/// <summary>How fast this machine's memory can be read by some threads.</summary>
internal static unsafe class ReadBandwidth
{
    private const long Bytes = 512L << 20; // Many times the caches.
    private const int Pieces = 512;

    /// <returns>Bytes per second: the median of some passes.</returns>
    public static double Measure(int threads, int rounds)
    {
        using var pool = new KernelPool(threads);
        using var memory = new NativeBuffer(Bytes);
        for (long i = 0; i < Bytes; i += int.MaxValue / 2)
            new Span<byte>((byte*)memory.Data + i, (int)Math.Min(Bytes - i, int.MaxValue / 2)).Fill(1);
        var seconds = new double[rounds];
        for (int round = 0; round < rounds; round++)
        {
            var job = new ReadJob((byte*)memory.Data, Bytes / Pieces);
            long start = Stopwatch.GetTimestamp();
            pool.Run(ref job, Pieces, scratchFloats: 1);
            seconds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return Bytes / seconds.Order().ElementAt(rounds / 2);
    }

    private readonly struct ReadJob(byte* data, long piece) : IKernelJob
    {
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
