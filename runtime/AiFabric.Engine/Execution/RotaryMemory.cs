using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Execution;

/// <summary>Cosines and sines for kernels, once for each of the ropes that a model's layers turn by. Owns their memory.</summary>
internal sealed unsafe class RotaryMemory : IDisposable
{
    private readonly LayerRopes ropes;
    private readonly NativeBuffer[] tables;
    private readonly long tableFloats;

    /// <param name="config">Gives head size, ropes and the number of positions.</param>
    /// <param name="threads">Threads that compute them.</param>
    public RotaryMemory(DecoderConfig config, int threads)
    {
        ropes = new LayerRopes(config);
        tableFloats = (long)config.MaximumPositions * (config.HeadSize / 2);
        tables = [.. ropes.All.Select(rope => Table(config, rope, threads))];
    }

    /// <summary>[maximumPositions, headDim / 2].</summary>
    public float* Cos(int layer) => (float*)tables[ropes.Places[layer]].Data;

    /// <summary>[maximumPositions, headDim / 2].</summary>
    public float* Sin(int layer) => Cos(layer) + tableFloats;

    public void Dispose()
    {
        foreach (var table in tables)
            table.Dispose();
    }

    // Angles are computed in Float64: positions times frequencies leave the range in which Float32 has digits behind the point.
    private NativeBuffer Table(DecoderConfig config, Rope? rope, int threads)
    {
        int half = config.HeadSize / 2;
        double[] frequencies = rope?.Frequencies(config.HeadSize) ?? new double[half];
        double magnitude = rope?.Magnitude ?? 1;
        var table = new NativeBuffer(2 * tableFloats * sizeof(float));
        Parallel.For(0, config.MaximumPositions, new ParallelOptions { MaxDegreeOfParallelism = threads }, position =>
        {
            float* cos = (float*)table.Data + ((long)position * half), sin = cos + tableFloats;
            for (int i = 0; i < half; i++)
            {
                var (s, c) = Math.SinCos(position * frequencies[i]);
                (cos[i], sin[i]) = ((float)(c * magnitude), (float)(s * magnitude));
            }
        });
        return table;
    }
}
