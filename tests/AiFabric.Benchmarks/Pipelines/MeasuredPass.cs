using AiFabric.Engine.Scheduling;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>
/// How long one iteration of Llama-2-7B takes on a GPU (one, 80 GB, 16-bit). Projections, MLP, norms and rotations of 32 layers and the embedding: medians that Vidur (MLSys 2024) measured,
/// <c>data/profiling/compute/GPU/meta-llama/Llama-2-7b-hf/mlp.csv</c> of its repository at 7d47513, summed over the layers and interpolated. Attention of decoding: the bytes of the keys and
/// values at the memory's data-sheet bandwidth. No attention of prompts, sampling or host: an iteration is never longer than a real one.
/// </summary>
/// <param name="Name">Of the GPU.</param>
/// <param name="BytesPerSecond">Of its memory.</param>
/// <param name="Measured">Tokens of an iteration, and its milliseconds.</param>
internal sealed record MeasuredPass(string Name, double BytesPerSecond, IReadOnlyList<(int Tokens, double Milliseconds)> Measured)
{
    /// <summary>Keys and values of one token: 2 × 32 layers × 4,096 × 2 bytes.</summary>
    private const double BytesPerToken = 524_288;

    public static readonly MeasuredPass A100 = new("A100", 2.039e12, [(1, 9.35), (8, 9.13), (16, 9.26), (32, 9.60), (64, 9.77), (128, 12.35), (256, 17.95), (512, 33.61)]);

    public static readonly MeasuredPass H100 = new("H100", 3.35e12, [(1, 5.63), (8, 5.54), (16, 5.85), (32, 5.86), (64, 5.92), (128, 6.44), (256, 9.26), (512, 12.13)]);

    /// <summary>Seconds of an iteration.</summary>
    public double Seconds(Batch batch)
    {
        long pairs = 0;
        foreach (BatchRows row in batch.DecodeRows)
            pairs += row.Start + row.Count;
        return (Dense(batch.InferenceTokens) / 1e3) + (pairs * BytesPerToken / BytesPerSecond);
    }

    /// <summary>Milliseconds of all but attention.</summary>
    /// <exception cref="ArgumentOutOfRangeException">More tokens than were measured.</exception>
    public double Dense(int tokens)
    {
        int above = 0;
        while (above < Measured.Count && Measured[above].Tokens < tokens)
            above++;
        if (above == 0)
            return Measured[0].Milliseconds;
        ArgumentOutOfRangeException.ThrowIfEqual(above, Measured.Count, nameof(tokens));
        (int fewer, double less) = Measured[above - 1];
        (int more, double longer) = Measured[above];
        return less + ((longer - less) * (tokens - fewer) / (more - fewer));
    }
}
