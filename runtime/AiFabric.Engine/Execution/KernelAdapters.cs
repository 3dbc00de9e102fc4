using AiFabric.Engine.Adapters;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>What adapters make of their rows in the pass in kernels: see <see cref="LinearPatch"/>. Other rows keep their bits.</summary>
/// <param name="kernels">Which kernels run.</param>
/// <param name="pool">Threads that compute; not owned.</param>
/// <param name="batch">Says which rows have which adapter.</param>
internal sealed unsafe class KernelAdapters(KernelSet kernels, KernelPool pool, KernelBatch batch) : IDisposable
{
    private readonly NativeBuffer lowRank = new();

    /// <summary>Scales the inputs of rows whose adapter does that; nobody else reads them (<see cref="Adapters.Methods.Ia3Method"/>).</summary>
    public void ScaleInput(int layer, LoraTarget target, RowMemory input)
    {
        foreach (var rows in batch.Adapters)
        {
            if (rows.Adapter[layer, target]?.InputScale is { } scale)
                kernels.Scale(pool, input.Row(rows.First), Vector(scale, input.Width, rows.Adapter, layer, target), rows.Count, input.Width);
        }
    }

    /// <summary>Patches a layer's output.</summary>
    public void Patch(int layer, LoraTarget target, RowMemory input, RowMemory output)
    {
        foreach (var rows in batch.Adapters)
        {
            if (rows.Adapter[layer, target] is not { } patch)
                continue;
            AddLowRank(layer, target, patch, rows, input, output);
            float* to = output.Row(rows.First);
            if (patch.OutputScale is { } scale)
                kernels.Scale(pool, to, Vector(scale, output.Width, rows.Adapter, layer, target), rows.Count, output.Width);
            if (patch.Shift is { } shift)
                kernels.AddBias(pool, to, Vector(shift, output.Width, rows.Adapter, layer, target), rows.Count, output.Width);
        }
    }

    /// <summary>
    /// Takes the residual of rows whose adapter scales a layer's output out of the rows that the output will be added to, so that it is not
    /// scaled too. <see cref="GiveBack"/> must follow.
    /// </summary>
    public void SetAside(int layer, LoraTarget target, RowMemory residual, RowMemory place)
    {
        foreach (var rows in batch.Adapters)
        {
            if (rows.Adapter[layer, target] is not { ChangesOutput: true })
                continue;
            var own = new Span<float>(residual.Row(rows.First), rows.Count * residual.Width);
            own.CopyTo(new Span<float>(place.Row(rows.First), own.Length));
            own.Clear();
        }
    }

    /// <summary>Adds what <see cref="SetAside"/> took.</summary>
    public void GiveBack(int layer, LoraTarget target, RowMemory residual, RowMemory place)
    {
        foreach (var rows in batch.Adapters)
        {
            if (rows.Adapter[layer, target] is { ChangesOutput: true })
                kernels.AddBias(pool, residual.Row(rows.First), place.Row(rows.First), rows: 1, rows.Count * residual.Width);
        }
    }

    public void Dispose() => lowRank.Dispose();

    // Adds scale · (x·Aᵀ)·Bᵀ.
    private void AddLowRank(int layer, LoraTarget target, LinearPatch patch, in AdapterRows rows, RowMemory input, RowMemory output)
    {
        if (patch.A is null || patch.B is null)
            return;
        KernelMatrix a = TensorMemory.Matrix(patch.A), b = TensorMemory.Matrix(patch.B);
        if (a.Columns != input.Width || b.Rows != output.Width || a.Rows != b.Columns)
            throw Misfit(rows.Adapter, layer, target); // Kernels do not look.
        lowRank.Reserve((long)rows.Count * a.Rows * sizeof(float));
        float* middle = (float*)lowRank.Data;
        using var read = rows.Window?.InputMask(layer, target, ScalarType.Float32, CPU)?.mul_(input.Rows(rows.First, rows.Count));
        kernels.Multiply(pool, [new Product(a, middle)], read is null ? input.Row(rows.First) : TensorMemory.Floats(read), rows.Count, (float)patch.Scale);
        kernels.Multiply(pool, [new Product(b, output.Row(rows.First))], middle, rows.Count, adds: true);
    }

    private static float* Vector(Tensor vector, int width, PeftAdapter adapter, int layer, LoraTarget target) =>
        vector.numel() == width ? TensorMemory.Floats(vector) : throw Misfit(adapter, layer, target);

    private static InvalidOperationException Misfit(PeftAdapter adapter, int layer, LoraTarget target) =>
        new($"Adapter '{adapter.Name}' does not fit the model at {target} of layer {layer}.");
}
