using System.Buffers.Binary;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>Blocks of 256 numbers in groups whose small scales share a scale in half precision ("k-quants"). Source: ggml's block layouts.</summary>
internal static class GgufSuperBlocks
{
    private const int Elements = 256;
    private const int Group = 32;

    /// <summary>Four bits; 8 groups of 32 with a scale and an offset of six bits each.</summary>
    public static void Q4(ReadOnlySpan<byte> blocks, Span<float> to)
    {
        const int Bytes = 144, Scales = 4, Numbers = 16;
        for (; !to.IsEmpty; blocks = blocks[Bytes..], to = to[Elements..])
        {
            float scale = Half(blocks), least = Half(blocks[2..]);
            for (int group = 0; group < Elements / Group; group++)
            {
                var (factor, offset) = SixBits(blocks.Slice(Scales, 12), group);
                float step = scale * factor, low = least * offset;
                // Two groups share 32 bytes: the lower halves are the first one's, the upper halves the second one's.
                var numbers = blocks.Slice(Numbers + (group / 2 * Group), Group);
                int shift = 4 * (group % 2);
                var part = to.Slice(group * Group, Group);
                for (int i = 0; i < Group; i++)
                    part[i] = (step * ((numbers[i] >> shift) & 0xF)) - low;
            }
        }
    }

    /// <summary>Five bits; as <see cref="Q4"/>, with the fifth bits of all groups in 32 bytes, one bit of each byte for one group.</summary>
    public static void Q5(ReadOnlySpan<byte> blocks, Span<float> to)
    {
        const int Bytes = 176, Scales = 4, Fifths = 16, Numbers = 48;
        for (; !to.IsEmpty; blocks = blocks[Bytes..], to = to[Elements..])
        {
            float scale = Half(blocks), least = Half(blocks[2..]);
            var fifths = blocks.Slice(Fifths, Group);
            for (int group = 0; group < Elements / Group; group++)
            {
                var (factor, offset) = SixBits(blocks.Slice(Scales, 12), group);
                float step = scale * factor, low = least * offset;
                var numbers = blocks.Slice(Numbers + (group / 2 * Group), Group);
                int shift = 4 * (group % 2);
                var part = to.Slice(group * Group, Group);
                for (int i = 0; i < Group; i++)
                    part[i] = (step * (((numbers[i] >> shift) & 0xF) + (((fifths[i] >> group) & 1) << 4))) - low;
            }
        }
    }

    /// <summary>Six bits around 32; 16 groups of 16 with a signed scale of eight bits. Two halves of 128 numbers, in each four runs of 32.</summary>
    public static void Q6(ReadOnlySpan<byte> blocks, Span<float> to)
    {
        const int Bytes = 210, High = 128, Scales = 192, Scale = 208, Run = 32;
        for (; !to.IsEmpty; blocks = blocks[Bytes..], to = to[Elements..])
        {
            float scale = Half(blocks[Scale..]);
            for (int run = 0; run < Elements / Run; run++)
            {
                int half = run / 4, place = run % 4;
                var low = blocks.Slice((half * 64) + (place % 2 * Run), Run);
                var high = blocks.Slice(High + (half * Run), Run);
                int lowShift = 4 * (place / 2), highShift = 2 * place;
                var part = to.Slice(run * Run, Run);
                for (int i = 0; i < Run; i++)
                {
                    float step = scale * (sbyte)blocks[Scales + (run * 2) + (i / 16)];
                    part[i] = step * ((((low[i] >> lowShift) & 0xF) | (((high[i] >> highShift) & 3) << 4)) - 32);
                }
            }
        }
    }

    // Twelve bytes for 8 scales and 8 offsets: the first four of each fill six bits of a byte, the others the bits left over.
    private static (int Scale, int Offset) SixBits(ReadOnlySpan<byte> packed, int group) => group < 4
        ? (packed[group] & 63, packed[group + 4] & 63)
        : ((packed[group + 4] & 0xF) | (packed[group - 4] >> 6 << 4), (packed[group + 4] >> 4) | (packed[group] >> 6 << 4));

    private static float Half(ReadOnlySpan<byte> bytes) => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes);
}
