using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>
/// Cosines and sines of rotary embeddings for every position of a model, once for each of the ropes that its layers turn by. Owns its tensors.
/// </summary>
public sealed class RotaryTable : IDisposable
{
    private readonly (Tensor Cos, Tensor Sin)[] tables;
    private readonly int[] tableOf;

    /// <param name="config">Gives head size, ropes and the number of positions.</param>
    /// <param name="type">Element type of the tables; the angles are computed in Float64.</param>
    /// <param name="device">Where the tables live.</param>
    public RotaryTable(DecoderConfig config, ScalarType type, Device device)
    {
        var ropes = new LayerRopes(config);
        tables = [.. ropes.All.Select(rope => Table(config, rope, type, device))];
        tableOf = ropes.Places;
    }

    /// <summary>A layer's tables, [maximumPositions, headDim / 2]; not to be disposed.</summary>
    public (Tensor Cos, Tensor Sin) this[int layer] => tables[tableOf[layer]];

    /// <summary>The rows of some positions, shaped for <see cref="DecoderMath.ApplyRotary"/>.</summary>
    /// <param name="positions">[n] Int64.</param>
    /// <returns>Tensors [n, 1, headDim / 2], owned by the caller's scope.</returns>
    public LayerAngles At(Tensor positions) => Rows(table => table.index_select(0, positions));

    /// <summary>The rows of consecutive positions, as views.</summary>
    /// <returns>Tensors [count, 1, headDim / 2], owned by the caller's scope.</returns>
    public LayerAngles Range(int start, int count) => Rows(table => table.narrow(0, start, count));

    public void Dispose()
    {
        foreach (var (cos, sin) in tables)
        {
            cos.Dispose();
            sin.Dispose();
        }
    }

    private LayerAngles Rows(Func<Tensor, Tensor> rows)
    {
        return new LayerAngles([.. tables.Select(table => (Shaped(table.Cos), Shaped(table.Sin)))], tableOf);

        Tensor Shaped(Tensor table)
        {
            using var scope = NewDisposeScope();
            return rows(table).unsqueeze(1).MoveToOuterDisposeScope();
        }
    }

    // Layers without a rope turn by no angle at all.
    private static (Tensor Cos, Tensor Sin) Table(DecoderConfig config, Rope? rope, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var frequencies = tensor(rope?.Frequencies(config.HeadSize) ?? new double[config.HeadSize / 2]);
        double magnitude = rope?.Magnitude ?? 1;
        var angles = outer(arange(config.MaximumPositions, ScalarType.Float64), frequencies);
        return ((angles.cos() * magnitude).to(type).to(device).DetachFromDisposeScope(), (angles.sin() * magnitude).to(type).to(device).DetachFromDisposeScope());
    }
}

/// <summary>Cosines and sines of a few positions, by layer.</summary>
/// <param name="tables">Each [n, 1, headDim / 2].</param>
/// <param name="tableOf">By layer.</param>
public readonly struct LayerAngles((Tensor Cos, Tensor Sin)[] tables, int[] tableOf)
{
    public (Tensor Cos, Tensor Sin) this[int layer] => tables[tableOf[layer]];
}
