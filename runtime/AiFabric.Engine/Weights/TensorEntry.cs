using System.Collections.Immutable;
using static TorchSharp.torch;

namespace AiFabric.Engine.Weights;

/// <summary>Where one tensor lies in a safetensors file.</summary>
/// <param name="Name">Its name, for example <c>model.embed_tokens.weight</c>.</param>
/// <param name="Type">Float64, Float32, Float16, BFloat16, Int64 or Int32.</param>
/// <param name="Shape">Row-major extents; empty for a scalar.</param>
/// <param name="Offset">First byte, counted from the start of the file.</param>
/// <param name="Bytes">Length in bytes: the product of the shape times the element size.</param>
public sealed record TensorEntry(string Name, ScalarType Type, ImmutableArray<long> Shape, long Offset, long Bytes);

/// <summary>The element types this engine reads, by their names in a safetensors header.</summary>
internal static class TensorTypes
{
    private static readonly (string Name, ScalarType Type, int Bytes)[] Known =
    [
        ("F32", ScalarType.Float32, 4), ("BF16", ScalarType.BFloat16, 2), ("F16", ScalarType.Float16, 2), ("F64", ScalarType.Float64, 8),
        // No weights, but files hold such numbers beside them: BERT's position_ids.
        ("I64", ScalarType.Int64, 8), ("I32", ScalarType.Int32, 4),
    ];

    public static bool TryParse(string name, out ScalarType type, out int elementBytes)
    {
        foreach (var known in Known)
        {
            if (known.Name == name)
            {
                (type, elementBytes) = (known.Type, known.Bytes);
                return true;
            }
        }
        (type, elementBytes) = (default, 0);
        return false;
    }

    /// <exception cref="CheckpointException">The type is not one of these.</exception>
    public static (string Name, int Bytes) Describe(ScalarType type)
    {
        foreach (var known in Known)
        {
            if (known.Type == type)
                return (known.Name, known.Bytes);
        }
        throw new CheckpointException($"A tensor of type {type} cannot be stored: use F32, BF16, F16, F64, I64 or I32.");
    }
}
