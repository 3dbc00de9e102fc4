using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Models;

/// <summary>
/// Reads weights into memory as kernels want them. Matrices are asked for first and read together, on several threads and row by row, so that a load
/// needs hardly more memory than its result.
/// </summary>
/// <param name="files">Where they are; not owned.</param>
/// <param name="format">What matrices become.</param>
internal sealed unsafe class KernelReader(CheckpointFiles files, WeightFormat format) : IDisposable
{
    /// <summary>About what a thread reads at once: little beside any model, much beside the cost of taking a piece.</summary>
    private const int PieceBytes = 2 << 20;

    private readonly List<Piece> pieces = [];

    /// <summary>What was read lies here; whoever takes it over frees it.</summary>
    public WeightMemory Memory { get; } = new();

    /// <summary>A matrix of the model, which <see cref="Fill"/> reads.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public KernelMatrix Matrix(string name, int rows, int columns)
    {
        var stored = files.Find(name, [rows, columns]);
        var matrix = new KernelMatrix(format, Memory.Take(Bytes(rows, columns)), rows, columns);
        if (format == WeightFormat.Q8)
            Q8.FillUp(matrix.Data, rows, columns);
        // Rows that lie together belong to one thread.
        int pieceRows = Math.Max(PieceBytes / Math.Max(columns * stored.ElementBytes, 1) / Q8.Group, 1) * Q8.Group;
        for (int first = 0; first < rows; first += pieceRows)
            pieces.Add(new Piece(matrix, name, first, Math.Min(first + pieceRows, rows)));
        return matrix;
    }

    /// <summary>Reads a vector, and adds what the files leave out.</summary>
    /// <returns>[size] Float32.</returns>
    /// <exception cref="CheckpointException">There is no such tensor, or its size is another.</exception>
    public float* Vector(StoredVector vector)
    {
        var stored = files.Find(vector.Name, [vector.Size]);
        float* memory = (float*)Memory.Take((long)vector.Size * sizeof(float));
        var numbers = new Span<float>(memory, vector.Size);
        stored.ReadRow(0, numbers, new byte[vector.Size * stored.ElementBytes]);
        stored.Release();
        for (int i = 0; vector.Offset != 0 && i < numbers.Length; i++)
            numbers[i] += (float)vector.Offset;
        return memory;
    }

    /// <summary>Reads all matrices.</summary>
    /// <param name="threads">Threads that read.</param>
    public void Fill(int threads) => Parallel.ForEach(pieces, new ParallelOptions { MaxDegreeOfParallelism = threads }, Read);

    public void Dispose() => Memory.Dispose();

    private long Bytes(int rows, int columns) => format switch
    {
        WeightFormat.Q8 => Q8.Bytes(rows, columns),
        WeightFormat.BFloat16 => (long)rows * columns * sizeof(ushort),
        _ => (long)rows * columns * sizeof(float),
    };

    private void Read(Piece piece)
    {
        var (matrix, columns) = (piece.Matrix, piece.Matrix.Columns);
        var stored = files.Find(piece.Name, [matrix.Rows, columns]);
        var numbers = new float[columns];
        var bytes = new byte[columns * stored.ElementBytes];
        for (int row = piece.First; row < piece.End; row++)
        {
            if (matrix.Format == WeightFormat.Q8)
                ReadQ8(stored, matrix.Data, row, numbers, bytes);
            else if (matrix.Format == WeightFormat.BFloat16)
                ReadBFloat16(stored, new Span<ushort>((ushort*)matrix.Data + ((long)row * columns), columns), row, numbers, bytes);
            else
                stored.ReadRow(row, new Span<float>((float*)matrix.Data + ((long)row * columns), columns), bytes);
        }
        stored.Release();
    }

    private static void ReadQ8(StoredTensor stored, void* matrix, int row, float[] numbers, byte[] bytes)
    {
        var blocks = stored.Q8Blocks(row);
        if (!blocks.IsEmpty)
        {
            Q8.Import(blocks, matrix, row);
            return;
        }
        stored.ReadRow(row, numbers, bytes);
        Q8.Quantize(numbers, matrix, row);
    }

    private static void ReadBFloat16(StoredTensor stored, Span<ushort> to, int row, float[] numbers, byte[] bytes)
    {
        if (stored.Type == TorchSharp.torch.ScalarType.BFloat16)
        {
            stored.ReadRows(row, System.Runtime.InteropServices.MemoryMarshal.AsBytes(to));
            return;
        }
        stored.ReadRow(row, numbers, bytes);
        BFloat16Numbers.Narrow(numbers, to);
    }

    /// <summary>Some rows of a matrix.</summary>
    private readonly record struct Piece(KernelMatrix Matrix, string Name, int First, int End);
}
