using AiFabric.Engine.Execution;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>A text through a pass as serving brings it: in chunks of a prompt, then token by token.</summary>
internal static class SteppedLogits
{
    public const int BlockSize = 4;
    public const int Blocks = 64;

    /// <summary>Chunks that end inside of blocks, at their ends, and behind a window.</summary>
    private static readonly int[] Chunks = [5, 11, 1, 23, 4];

    /// <returns>By position of the text: the logits there, for the last of each chunk and for every decoded token.</returns>
    public static List<(int Position, float[] Logits)> Of(IForwardPass pass, int[] text, long adapter = 0)
    {
        var request = new GenerationRequest { PromptTokens = text, MaxTokens = 1 };
        var sequence = new Sequence(new SequenceId(1), request, 1, seed: 0, adapter, BlockSize);
        Assert.True(sequence.Blocks.TryGrow(new BlockPool(Blocks), text.Length));
        var logits = new List<(int, float[])>();
        int start = 0;
        foreach (int chunk in Chunks)
            Step(chunk, batch => batch.PromptChunks);
        while (start < text.Length)
            Step(1, batch => batch.DecodeRows);
        return logits;

        void Step(int count, Func<Batch, List<BatchRows>> rows)
        {
            var batch = new Batch();
            rows(batch).Add(new BatchRows(sequence, start, count, Samples: true));
            start += count;
            logits.Add((start - 1, pass.Run(batch, null).ToArray()));
        }
    }

    /// <summary>The logits behind a text that is one piece of a prompt.</summary>
    public static float[] AtOnce(IForwardPass pass, int[] text)
    {
        var sequence = new Sequence(new SequenceId(1), new GenerationRequest { PromptTokens = text, MaxTokens = 1 }, 1, seed: 0, adapterLoad: 0, BlockSize);
        Assert.True(sequence.Blocks.TryGrow(new BlockPool(Blocks), text.Length));
        var batch = new Batch();
        batch.PromptChunks.Add(new BatchRows(sequence, 0, text.Length, Samples: true));
        return pass.Run(batch, null).ToArray();
    }

    /// <summary>The largest difference to logits of the whole text.</summary>
    /// <param name="stepped">From <see cref="Of"/>.</param>
    /// <param name="whole">[n · vocab].</param>
    public static double Difference(List<(int Position, float[] Logits)> stepped, ReadOnlySpan<float> whole)
    {
        double largest = 0;
        foreach (var (position, logits) in stepped)
        {
            for (int i = 0; i < logits.Length; i++)
                largest = Math.Max(largest, Math.Abs(logits[i] - whole[(position * logits.Length) + i]));
        }
        return largest;
    }
}
