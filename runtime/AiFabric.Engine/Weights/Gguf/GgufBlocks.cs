using System.Buffers.Binary;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>Blocks of 32 numbers behind a scale and, in some, an offset in half precision. Source: ggml, docs/gguf.md and its block layouts.</summary>
internal static class GgufBlocks
{
    private const int Elements = 32;
    private const int Half = Elements / 2;
    private const int ScaleBytes = 2;

    /// <summary>Signed bytes.</summary>
    public static void Q8Zero(ReadOnlySpan<byte> blocks, Span<float> to)
    {
        for (; !to.IsEmpty; blocks = blocks[(ScaleBytes + Elements)..], to = to[Elements..])
        {
            float scale = Scale(blocks);
            for (int i = 0; i < Elements; i++)
                to[i] = (sbyte)blocks[ScaleBytes + i] * scale;
        }
    }

    /// <summary>Four bits around 8: a byte holds the number i below and i + 16 above.</summary>
    public static void Q4Zero(ReadOnlySpan<byte> blocks, Span<float> to)
    {
        for (; !to.IsEmpty; blocks = blocks[(ScaleBytes + Half)..], to = to[Elements..])
        {
            float scale = Scale(blocks);
            for (int i = 0; i < Half; i++)
            {
                int pair = blocks[ScaleBytes + i];
                to[i] = ((pair & 0xF) - 8) * scale;
                to[i + Half] = ((pair >> 4) - 8) * scale;
            }
        }
    }

    /// <summary>Four bits above an offset.</summary>
    public static void Q4One(ReadOnlySpan<byte> blocks, Span<float> to)
    {
        for (; !to.IsEmpty; blocks = blocks[((2 * ScaleBytes) + Half)..], to = to[Elements..])
        {
            float scale = Scale(blocks), offset = Scale(blocks[ScaleBytes..]);
            for (int i = 0; i < Half; i++)
            {
                int pair = blocks[(2 * ScaleBytes) + i];
                to[i] = ((pair & 0xF) * scale) + offset;
                to[i + Half] = ((pair >> 4) * scale) + offset;
            }
        }
    }

    /// <summary>Five bits around 16: the fifth ones stand together before the others.</summary>
    public static void Q5Zero(ReadOnlySpan<byte> blocks, Span<float> to)
    {
        for (; !to.IsEmpty; blocks = blocks[(ScaleBytes + sizeof(uint) + Half)..], to = to[Elements..])
        {
            float scale = Scale(blocks);
            uint fifths = BinaryPrimitives.ReadUInt32LittleEndian(blocks[ScaleBytes..]);
            for (int i = 0; i < Half; i++)
            {
                var (first, second) = FiveBits(blocks[ScaleBytes + sizeof(uint) + i], fifths, i);
                to[i] = (first - 16) * scale;
                to[i + Half] = (second - 16) * scale;
            }
        }
    }

    /// <summary>Five bits above an offset.</summary>
    public static void Q5One(ReadOnlySpan<byte> blocks, Span<float> to)
    {
        for (; !to.IsEmpty; blocks = blocks[((2 * ScaleBytes) + sizeof(uint) + Half)..], to = to[Elements..])
        {
            float scale = Scale(blocks), offset = Scale(blocks[ScaleBytes..]);
            uint fifths = BinaryPrimitives.ReadUInt32LittleEndian(blocks[(2 * ScaleBytes)..]);
            for (int i = 0; i < Half; i++)
            {
                var (first, second) = FiveBits(blocks[(2 * ScaleBytes) + sizeof(uint) + i], fifths, i);
                to[i] = (first * scale) + offset;
                to[i + Half] = (second * scale) + offset;
            }
        }
    }

    private static (int First, int Second) FiveBits(int pair, uint fifths, int index) =>
        ((pair & 0xF) | (int)(((fifths >> index) & 1) << 4), (pair >> 4) | (int)(((fifths >> (index + Half)) & 1) << 4));

    private static float Scale(ReadOnlySpan<byte> bytes) => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes);
}
