using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>Rows of Float32 that kernels fill and that training can see as a tensor. Owns its memory; contents are lost when it grows.</summary>
/// <param name="width">Numbers of a row.</param>
internal sealed unsafe class RowMemory(int width) : IDisposable
{
    // Rows of an iteration are bounded, and the largest comes soon: no room is kept for more.
    private const int Step = 64;

    private readonly NativeBuffer memory = new();
    private long capacity;

    /// <summary>[rows, width]; valid until the next <see cref="Reserve"/>.</summary>
    public float* Data => (float*)memory.Data;

    public int Width => width;

    public void Reserve(int rows)
    {
        if (rows <= capacity)
            return;
        long wanted = (rows + Step - 1L) / Step * Step;
        memory.Reserve(wanted * width * sizeof(float));
        capacity = wanted; // Known once it is there: without memory the next pass must ask again.
    }

    public float* Row(int row) => Data + ((long)row * width);

    /// <summary>A view, owned by the caller's scope; valid until the next <see cref="Reserve"/>.</summary>
    public Tensor Rows(int first, int count) => TensorMemory.View(Row(first), ScalarType.Float32, [count, width]);

    public void Dispose() => memory.Dispose();
}
