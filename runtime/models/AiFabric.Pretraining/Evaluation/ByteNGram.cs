using System.Runtime.InteropServices;

namespace AiFabric.Pretraining.Evaluation;

/// <summary>A byte n-gram model, all orders interpolated by Witten–Bell smoothing: the yardstick beside the trained model.</summary>
/// <remarks>Source: Witten and Bell, "The zero-frequency problem", 1991, method C: P(s|c) = (count(c,s) + kinds(c) · P(s|shorter c)) / (count(c) + kinds(c)).</remarks>
internal sealed class ByteNGram
{
    private readonly int order;
    private readonly Dictionary<ulong, (int Count, int Kinds)> contexts = [];
    private readonly Dictionary<ulong, int> grams = [];

    /// <param name="order">The longest gram in bytes, at most 6.</param>
    public ByteNGram(int order)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(order, 6);
        this.order = order;
    }

    /// <summary>Counts a text.</summary>
    public void Add(ReadOnlySpan<byte> text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            for (int length = 0; length < order && length <= i; length++)
            {
                ulong context = Key(text.Slice(i - length, length));
                ref var seen = ref CollectionsMarshal.GetValueRefOrAddDefault(contexts, context, out _);
                ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(grams, Key(text.Slice(i - length, length + 1)), out bool known);
                count++;
                seen = (seen.Count + 1, seen.Kinds + (known ? 0 : 1));
            }
        }
    }

    /// <summary>The bits the model needs for a text.</summary>
    public double Bits(ReadOnlySpan<byte> text)
    {
        double bits = 0;
        for (int i = 0; i < text.Length; i++)
        {
            double probability = 1.0 / 256;
            for (int length = 0; length < order && length <= i; length++)
            {
                if (!contexts.TryGetValue(Key(text.Slice(i - length, length)), out var seen))
                    break;
                int count = grams.GetValueOrDefault(Key(text.Slice(i - length, length + 1)));
                probability = (count + (seen.Kinds * probability)) / (seen.Count + seen.Kinds);
            }
            bits -= Math.Log2(probability);
        }
        return bits;
    }

    private static ulong Key(ReadOnlySpan<byte> bytes)
    {
        ulong key = (ulong)bytes.Length;
        foreach (byte b in bytes)
            key = (key << 8) | b;
        return key;
    }
}
