using static TorchSharp.torch;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>The parts of encoders that are not plain matmuls. Every function returns one tensor owned by the caller's dispose scope.</summary>
internal static class EncoderMath
{
    /// <summary>Attention in which every token of a text sees all of its text and nothing else.</summary>
    /// <param name="q">[n, heads · headSize], as are <paramref name="k"/> and <paramref name="v"/>.</param>
    /// <param name="k">Keys.</param>
    /// <param name="v">Values.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="lengths">Rows of each text; their sum is n.</param>
    /// <returns>[n, heads · headSize].</returns>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, int heads, IReadOnlyList<int> lengths)
    {
        using var scope = NewDisposeScope();
        long width = q.shape[1];
        var parts = new Tensor[lengths.Count];
        for (int text = 0, start = 0; text < parts.Length; start += lengths[text++])
        {
            int length = lengths[text];
            Tensor Heads(Tensor x) => x.narrow(0, start, length).view(1, length, heads, width / heads).transpose(1, 2);
            parts[text] = nn.functional.scaled_dot_product_attention(Heads(q), Heads(k), Heads(v)).transpose(1, 2).reshape(length, width);
        }
        return cat(parts, 0).MoveToOuterDisposeScope();
    }

    /// <summary>The mean of each text's rows.</summary>
    /// <param name="x">[n, width].</param>
    /// <param name="lengths">Rows of each text; their sum is n.</param>
    /// <returns>[texts, width].</returns>
    public static Tensor Means(Tensor x, IReadOnlyList<int> lengths)
    {
        using var scope = NewDisposeScope();
        var parts = new Tensor[lengths.Count];
        for (int text = 0, start = 0; text < parts.Length; start += lengths[text++])
            parts[text] = x.narrow(0, start, lengths[text]).mean([0], keepdim: true);
        return cat(parts, 0).MoveToOuterDisposeScope();
    }
}
