using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace AiFabric.Engine.Kernels;

/// <summary>
/// Eight bits per weight: 32 neighbours share a scale, as in llama.cpp's q8_0. The scale is a BFloat16 that is rounded up before the
/// weights are divided by it, so that its short mantissa costs no accuracy and every restored weight is exact in Float32.
/// </summary>
/// <remarks>
/// In memory 16 rows lie together, a block of 32 columns after the other: [16 scales | 16 pairs of columns × 16 rows × 2 numbers], 544 bytes.
/// A vector then holds one pair of columns of several rows, which products of pairs want, and a group of rows is one stream. Rows are filled up
/// to whole groups with zeros, columns to whole blocks.
/// </remarks>
internal static unsafe class Q8
{
    /// <summary>Numbers that share a scale.</summary>
    public const int Block = 32;

    /// <summary>Rows that lie together.</summary>
    public const int Group = 16;

    /// <summary>The pairs of a block begin behind its scales.</summary>
    public const int ScaleBytes = Group * sizeof(ushort);

    /// <summary>A block of a group.</summary>
    public const int BlockBytes = ScaleBytes + (Group * Block);

    /// <summary>From one pair of columns to the next.</summary>
    public const int PairBytes = 2 * Group;

    /// <summary>Bytes of a block of llama.cpp's q8_0: a scale in half precision, then 32 signed bytes.</summary>
    public const int PeerBlockBytes = sizeof(ushort) + Block;

    private const float Largest = 127;

    /// <summary>Blocks of a row; the last one may be filled up.</summary>
    public static int Blocks(int columns) => (columns + Block - 1) / Block;

    /// <summary>Groups of a matrix; the last one may be filled up.</summary>
    public static int Groups(int rows) => (rows + Group - 1) / Group;

    /// <summary>Bytes of a group.</summary>
    public static long GroupBytes(int columns) => (long)Blocks(columns) * BlockBytes;

    /// <summary>Bytes of a matrix.</summary>
    public static long Bytes(int rows, int columns) => Groups(rows) * GroupBytes(columns);

    /// <summary>Memory for a matrix. What fills the last group up is zero; the rest is for quantizing.</summary>
    public static NativeBuffer Allocate(int rows, int columns)
    {
        var memory = new NativeBuffer(Bytes(rows, columns));
        FillUp(memory.Data, rows, columns);
        return memory;
    }

    /// <summary>Makes a matrix's last group zero where it is filled up; before its rows are quantized.</summary>
    public static void FillUp(void* matrix, int rows, int columns)
    {
        if (rows % Group != 0)
            NativeMemory.Clear(RowIn(matrix, rows / Group * Group, columns), (nuint)GroupBytes(columns));
    }

    /// <summary>Quantizes a row into its place.</summary>
    /// <param name="values">[columns].</param>
    /// <param name="matrix">From <see cref="Allocate"/>.</param>
    /// <param name="row">Which one.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // Code compiled ahead for any processor takes several times as long, and loading waits for it.
    public static void Quantize(ReadOnlySpan<float> values, void* matrix, int row)
    {
        byte* block = RowIn(matrix, row, values.Length);
        for (; values.Length >= Block; values = values[Block..], block += BlockBytes)
            QuantizeBlock(values, block);
        if (values.IsEmpty)
            return;
        Span<float> filled = stackalloc float[Block];
        filled.Clear();
        values.CopyTo(filled);
        QuantizeBlock(filled, block);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeBlock(ReadOnlySpan<float> values, byte* block)
    {
        Vector256<float> a = Vector256.Create(values), b = Vector256.Create(values[8..]), c = Vector256.Create(values[16..]), d = Vector256.Create(values[24..]);
        var most = Vector256.Max(Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)));
        var half = Vector128.Max(most.GetLower(), most.GetUpper());
        half = Vector128.Max(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
        half = Vector128.Max(half, Vector128.Shuffle(half, Vector128.Create(1, 0, 3, 2)));
        // Adding all bits below the kept ones rounds up; the largest is finite, so the sum is too, but for the very last numbers.
        ushort scale = (ushort)Math.Min((BitConverter.SingleToUInt32Bits(half.ToScalar() / Largest) + 0xFFFF) >> 16, 0x7F7F);
        *(ushort*)block = scale;
        float inverse = scale == 0 ? 0 : 1 / Scale(scale);
        var numbers = Vector256.Narrow(Vector256.Narrow(Rounded(a, inverse), Rounded(b, inverse)), Vector256.Narrow(Rounded(c, inverse), Rounded(d, inverse)));
        ushort* pairs = stackalloc ushort[Block / 2];
        numbers.AsUInt16().Store(pairs);
        for (int pair = 0; pair < Block / 2; pair++)
            *(ushort*)(block + ScaleBytes + (pair * PairBytes)) = pairs[pair];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Rounded(Vector256<float> values, float inverse) => Vector256.ConvertToInt32(Vector256.Round(values * inverse));

    /// <summary>
    /// Takes over a row that llama.cpp has quantized to q8_0. Its bytes stay as they are and its scales go to the nearest BFloat16, at most 0.4 %
    /// away; quantizing the restored numbers again would move each by up to half a step instead, small ones as far as large ones.
    /// </summary>
    /// <param name="blocks">[blocks of the row · <see cref="PeerBlockBytes"/>].</param>
    /// <param name="matrix">From <see cref="Allocate"/>.</param>
    /// <param name="row">Which one.</param>
    public static void Import(ReadOnlySpan<byte> blocks, void* matrix, int row)
    {
        byte* block = RowIn(matrix, row, blocks.Length / PeerBlockBytes * Block);
        for (; !blocks.IsEmpty; blocks = blocks[PeerBlockBytes..], block += BlockBytes)
        {
            uint scale = BitConverter.SingleToUInt32Bits((float)BinaryPrimitives.ReadHalfLittleEndian(blocks));
            *(ushort*)block = (ushort)((scale + 0x7FFF + ((scale >> 16) & 1)) >> 16);
            for (int i = 0; i < Block; i++)
                *Number(block, i) = (sbyte)blocks[sizeof(ushort) + i];
        }
    }

    /// <summary>Restores a row.</summary>
    /// <param name="matrix">From <see cref="Allocate"/>.</param>
    /// <param name="row">Which one.</param>
    /// <param name="columns">Its length.</param>
    /// <param name="to">[columns].</param>
    public static void Restore(void* matrix, int row, int columns, float* to)
    {
        byte* block = RowIn(matrix, row, columns);
        for (int start = 0; start < columns; start += Block, block += BlockBytes)
        {
            float scale = Scale(*(ushort*)block);
            int count = Math.Min(Block, columns - start);
            for (int i = 0; i < count; i++)
                to[start + i] = *Number(block, i) * scale;
        }
    }

    /// <summary>The Float32 of a stored scale.</summary>
    public static float Scale(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>The first block of a row's group, moved on to the row: its scale is here, its first pair <see cref="ScaleBytes"/> behind.</summary>
    public static byte* RowIn(void* matrix, int row, int columns) => (byte*)matrix + (row / Group * GroupBytes(columns)) + (row % Group * 2);

    private static sbyte* Number(byte* block, int column) => (sbyte*)(block + ScaleBytes + (column / 2 * PairBytes) + (column % 2));
}
