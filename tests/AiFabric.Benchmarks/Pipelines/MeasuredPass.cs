using AiFabric.Engine.Scheduling;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>
/// How long one iteration of Llama-2-7B takes on an A100 (80 GB, one GPU, 16-bit). Projections, MLP, norms and rotations of 32 layers and the embedding: medians that Vidur
/// (MLSys 2024) measured, <c>data/profiling/compute/a100/meta-llama/Llama-2-7b-hf/mlp.csv</c> of its repository at 7d47513, summed over the layers and interpolated. Attention of
/// decoding: the bytes of the keys and values at the memory's data-sheet bandwidth. No attention of prompts, sampling or host: an iteration is never longer than a real one.
/// </summary>
internal static class MeasuredPass
{
    /// <summary>Keys and values of one token: 2 × 32 layers × 4,096 × 2 bytes, at 2,039 GB/s, in milliseconds.</summary>
    public const double MillisecondsPerPair = 524_288 / 2.039e9;

    private static readonly (int Tokens, double Milliseconds)[] Measured =
    [
        (1, 9.35), (8, 9.13), (16, 9.26), (32, 9.60), (64, 9.77), (128, 12.35), (256, 17.95), (512, 33.61), (1024, 68.38),
    ];

    /// <summary>Seconds of an iteration.</summary>
    public static double Seconds(Batch batch)
    {
        long pairs = 0;
        foreach (BatchRows row in batch.DecodeRows)
            pairs += row.Start + row.Count;
        return (Dense(batch.InferenceTokens) + (pairs * MillisecondsPerPair)) / 1e3;
    }

    /// <summary>Milliseconds of all but attention.</summary>
    public static double Dense(int tokens)
    {
        int above = Array.FindIndex(Measured, point => point.Tokens >= tokens);
        if (above <= 0)
            return above == 0 ? Measured[0].Milliseconds : throw new ArgumentOutOfRangeException(nameof(tokens), tokens, "More than was measured.");
        (int fewer, double less) = Measured[above - 1];
        (int more, double longer) = Measured[above];
        return less + ((longer - less) * (tokens - fewer) / (more - fewer));
    }
}
