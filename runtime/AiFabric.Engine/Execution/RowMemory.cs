using AiFabric.Engine.Interop;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>Rows of Float32 that kernels fill and that training can see as a tensor. Owns its tensor; contents are lost when it grows.</summary>
/// <param name="width">Numbers of a row.</param>
internal sealed unsafe class RowMemory(int width) : IDisposable
{
    private Tensor? tensor;
    private long capacity;

    /// <summary>[rows, width]; valid until the next <see cref="Reserve"/>.</summary>
    public float* Data { get; private set; }

    public int Width => width;

    public void Reserve(int rows)
    {
        if (rows <= capacity)
            return;
        tensor?.Dispose();
        capacity = Math.Max(rows, 2 * capacity);
        tensor = empty([capacity, width], ScalarType.Float32).DetachFromDisposeScope();
        Data = TensorMemory.Floats(tensor);
    }

    public float* Row(int row) => Data + ((long)row * width);

    /// <summary>A view, owned by the caller's scope.</summary>
    public Tensor Rows(int first, int count) => tensor?.narrow(0, first, count) ?? throw new InvalidOperationException("No rows are reserved.");

    public void Dispose() => tensor?.Dispose();
}
