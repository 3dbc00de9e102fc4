namespace AiFabric.Engine.Kernels;

/// <summary>
/// Eight bits per weight: 32 neighbours share a scale, as in llama.cpp's q8_0. The scale is a BFloat16 that is rounded up before the
/// weights are divided by it, so that its short mantissa costs no accuracy and every restored weight is exact in Float32.
/// </summary>
internal static unsafe class Q8
{
    /// <summary>Numbers that share a scale.</summary>
    public const int Block = 32;

    private const float Largest = 127;

    /// <summary>Scales of a row; the last block may be short.</summary>
    public static int Blocks(int columns) => (columns + Block - 1) / Block;

    /// <summary>Quantizes a row.</summary>
    /// <param name="values">[columns].</param>
    /// <param name="data">[columns].</param>
    /// <param name="scales">[blocks] BFloat16.</param>
    public static void Quantize(ReadOnlySpan<float> values, sbyte* data, ushort* scales)
    {
        for (int start = 0, block = 0; start < values.Length; start += Block, block++)
        {
            var part = values.Slice(start, Math.Min(Block, values.Length - start));
            float most = 0;
            foreach (float value in part)
                most = MathF.Max(most, MathF.Abs(value));
            // Adding all bits below the kept ones rounds up; most is finite, so the sum is too, but for the very last numbers.
            scales[block] = (ushort)Math.Min((BitConverter.SingleToUInt32Bits(most / Largest) + 0xFFFF) >> 16, 0x7F7F);
            float inverse = scales[block] == 0 ? 0 : 1 / Scale(scales[block]);
            for (int i = 0; i < part.Length; i++)
                data[start + i] = (sbyte)MathF.Round(part[i] * inverse);
        }
    }

    /// <summary>The Float32 of a stored scale.</summary>
    public static float Scale(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
