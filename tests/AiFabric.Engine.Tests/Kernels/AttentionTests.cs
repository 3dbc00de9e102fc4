using AiFabric.Engine.Kernels;
using CsCheck;
using Xunit;

namespace AiFabric.Engine.Tests.Kernels;

/// <summary>Attention and rotation over scattered blocks, against the formula in Float64.</summary>
public sealed unsafe class AttentionTests
{
    public static TheoryData<int> Widths => KernelTests.Widths;

    [Theory]
    [MemberData(nameof(Widths))]
    public void Attention_over_scattered_blocks_equals_the_formula(int bits)
    {
        var places = Gen.Select(Gen.Int[1, 16], Gen.Int[0, 60], OneOf(1, 3, 4, 16), Gen.Bool);
        var shapes = Gen.Select(
            Gen.Int[1, 4], Gen.Int[1, 3], OneOf(2, 8, 20, 64, 80), OneOf(1, 5, 16, 33, int.MaxValue), OneOf(0, 2), Gen.Float[0.1f, 0.5f],
            (group, keyHeads, headSize, window, cap, scale) => new AttentionShape(keyHeads * group, keyHeads, headSize, scale, cap, window));
        Gen.Select(places, shapes).Sample((place, shape) =>
        {
            using var pool = new KernelPool(2);
            foreach (var format in Enum.GetValues<CacheFormat>())
            {
                var test = new Case(shape, count: place.Item1, position: place.Item2, blockSize: place.Item3, headsApart: place.Item4, format);
                test.Expect(test.Run(KernelSet.Supported.Single(set => set.Bits == bits), pool));
            }
        }, iter: 150, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void A_row_has_the_same_bits_whatever_rows_share_its_entry(int bits)
    {
        using var pool = new KernelPool(1);
        var kernels = KernelSet.Supported.Single(set => set.Bits == bits);
        foreach (var format in Enum.GetValues<CacheFormat>())
        {
            // Together they are enough queries for narrow keys to be restored first; alone they are not.
            var test = new Case(new AttentionShape(4, 2, 40, 0.3f, SoftCap: 3, Window: 9), count: 16, position: 21, blockSize: 4, headsApart: true, format);

            float[] together = test.Run(kernels, pool), alone = test.Run(kernels, pool, rowsPerEntry: 1);

            Assert.Equal(together, alone);
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Rotation_turns_pairs_and_stores_rows_with_slots(int bits)
    {
        const int Rows = 3, Heads = 4, KeyHeads = 2, HeadSize = 40, Half = HeadSize / 2, BlockSize = 2, Slots = 6;
        using var pool = new KernelPool(1);
        using var random = new TestMatrices(8);
        float[] q = random.Random(Rows * Heads * HeadSize), k = random.Random(Rows * KeyHeads * HeadSize), v = random.Random(Rows * KeyHeads * HeadSize);
        float[] cos = random.Random(9 * Half), sin = random.Random(9 * Half), keys = new float[Slots * KeyHeads * HeadSize], values = new float[keys.Length];
        float[] turned = q.ToArray();
        int[] positions = [7, 0, 8], slots = [4, 1];
        fixed (float* pq = turned, pk = k, pv = v, pc = cos, ps = sin, ck = keys, cv = values)
        fixed (int* at = positions, to = slots)
        {
            KernelSet.Supported.Single(set => set.Bits == bits).Rotate(
                pool,
                new RotateArguments
                {
                    Queries = pq,
                    Keys = pk,
                    Values = pv,
                    Cos = pc,
                    Sin = ps,
                    Positions = at,
                    Slots = to,
                    CachedKeys = ck,
                    CachedValues = cv,
                    StoredRows = slots.Length,
                    BlockSize = BlockSize,
                    Heads = Heads,
                    KeyHeads = KeyHeads,
                    HeadSize = HeadSize,
                },
                Rows);
        }
        for (int i = 0; i < q.Length; i++)
        {
            int d = i % HeadSize, angle = (positions[i / (Heads * HeadSize)] * Half) + (d % Half);
            double partner = d < Half ? -q[i + Half] : q[i - Half];
            Assert.Equal((q[i] * (double)cos[angle]) + (partner * sin[angle]), turned[i], 1e-5);
        }
        // Slot 4 is the first of block 2, slot 1 the second of block 0; a block holds one head's slots before the next one's.
        for (int head = 0; head < KeyHeads; head++)
        {
            Expect(row: 0, head, place: (2 * KeyHeads) + head, at: 0);
            Expect(row: 1, head, place: head, at: 1);
            Assert.All(keys[(head * BlockSize * HeadSize)..(((head * BlockSize) + 1) * HeadSize)], value => Assert.Equal(0, value));
        }

        void Expect(int row, int head, int place, int at)
        {
            int from = ((row * KeyHeads) + head) * HeadSize, to = ((place * BlockSize) + at) * HeadSize;
            Assert.Equal(k[from..(from + HeadSize)], keys[to..(to + HeadSize)]);
            Assert.Equal(v[from..(from + HeadSize)], values[to..(to + HeadSize)]);
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void A_narrow_cache_rounds_to_the_nearest_and_ties_to_even(int bits)
    {
        // 1 + 2⁻⁸ lies between 1 and 1 + 2⁻⁷, and 1 + 3·2⁻⁸ between that and 1 + 2⁻⁶; the largest number has none above it but infinity.
        float[] given = [1, 1.00390625f, 1.01171875f, -1.00390625f, 1.0039064f, 0, -0f, float.MaxValue, float.PositiveInfinity, float.NaN, -float.NaN, float.Epsilon, 3.14159274f];
        float[] expected = [1, 1, 1.015625f, -1, 1.0078125f, 0, -0f, float.PositiveInfinity, float.PositiveInfinity, float.NaN, float.NaN, 0, 3.140625f];
        uint[] quietest = [0x7F80_0001, 0x7FFF_FFFF, 0xFFFF_FFFF]; // Rounding these as if they were numbers gives infinity and zero.
        given = [.. given, .. quietest.Select(BitConverter.UInt32BitsToSingle)];
        expected = [.. expected, float.NaN, float.NaN, float.NaN];
        Assert.Equal(expected, Kept(bits, given));
        Assert.Equal([.. expected, .. expected[1..3]], Kept(bits, [.. given, .. given[1..3]])); // The last two fill no vector.
    }

    // What a cache of one slot and one head gives back.
    private static float[] Kept(int bits, float[] numbers)
    {
        using var pool = new KernelPool(1);
        float[] q = new float[numbers.Length], one = [.. Enumerable.Repeat(1f, numbers.Length)], zero = new float[numbers.Length];
        ushort[] keys = new ushort[numbers.Length], values = new ushort[numbers.Length];
        int position = 0, slot = 0;
        fixed (float* pq = q, pv = numbers, pc = one, ps = zero)
        fixed (ushort* ck = keys, cv = values)
        {
            KernelSet.Supported.Single(set => set.Bits == bits).Rotate(
                pool,
                new RotateArguments
                {
                    Queries = pq,
                    Keys = pq,
                    Values = pv,
                    Cos = pc,
                    Sin = ps,
                    Positions = &position,
                    Slots = &slot,
                    CachedKeys = ck,
                    CachedValues = cv,
                    Cached = CacheFormat.BFloat16,
                    StoredRows = 1,
                    BlockSize = 1,
                    Heads = 1,
                    KeyHeads = 1,
                    HeadSize = numbers.Length,
                },
                rows: 1);
        }
        return [.. values.Select(Q8.Scale)];
    }

    private static Gen<int> OneOf(params int[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    /// <summary>One sequence in a cache whose unused slots hold what no number equals.</summary>
    private sealed class Case
    {
        private readonly AttentionShape shape;
        private readonly int count;
        private readonly int position;
        private readonly int blockSize;
        private readonly bool headsApart;
        private readonly CacheFormat format;
        private readonly int[] blocks;
        private readonly float[] queries;
        private readonly float[] keys;
        private readonly float[] values;

        /// <param name="shape">How it attends.</param>
        /// <param name="count">Rows.</param>
        /// <param name="position">Of the first row.</param>
        /// <param name="blockSize">Positions of a block.</param>
        /// <param name="headsApart">Whether a block holds all positions of a head before the next head's, as the cache does; otherwise all heads of a position.</param>
        /// <param name="format">Of keys and values, which are numbers that it holds.</param>
        public Case(AttentionShape shape, int count, int position, int blockSize, bool headsApart, CacheFormat format)
        {
            (this.shape, this.count, this.position, this.blockSize, this.headsApart, this.format) = (shape, count, position, blockSize, headsApart, format);
            int used = (position + count + blockSize - 1) / blockSize, slot = shape.KeyHeads * shape.HeadSize;
            using var random = new TestMatrices(count + position);
            blocks = [.. Enumerable.Range(0, used).Select(i => 2 * (used - i))]; // Backwards, with gaps.
            queries = [.. random.Random(count * shape.Heads * shape.HeadSize).Select(v => 3 * v)];
            (keys, values) = (new float[((2 * used) + 1) * blockSize * slot], new float[((2 * used) + 1) * blockSize * slot]);
            keys.AsSpan().Fill(float.NaN);
            values.AsSpan().Fill(float.NaN);
            for (int p = 0; p < position + count; p++)
            {
                for (int head = 0; head < shape.KeyHeads; head++)
                {
                    Held(random.Random(shape.HeadSize)).CopyTo(keys, Place(p, head));
                    Held(random.Random(shape.HeadSize)).CopyTo(values, Place(p, head));
                }
            }
        }

        public float[] Run(KernelSet kernels, KernelPool pool, int rowsPerEntry = KernelSet.AttentionRowsPerEntry)
        {
            float[] result = new float[queries.Length];
            ushort[] narrowKeys = Narrow(keys), narrowValues = Narrow(values);
            fixed (float* q = queries, k = keys, v = values, y = result)
            fixed (ushort* nk = narrowKeys, nv = narrowValues)
            fixed (int* table = blocks)
            {
                for (int first = 0; first < count; first += rowsPerEntry)
                {
                    var entry = new AttentionRows
                    {
                        First = first,
                        Count = Math.Min(rowsPerEntry, count - first),
                        Position = position + first,
                        Blocks = table,
                        BlockSize = blockSize,
                        Pitch = headsApart ? shape.HeadSize : shape.KeyHeads * shape.HeadSize,
                        HeadPitch = headsApart ? blockSize * shape.HeadSize : shape.HeadSize,
                        Keys = format == CacheFormat.BFloat16 ? nk : k,
                        Values = format == CacheFormat.BFloat16 ? nv : v,
                        Format = format,
                    };
                    kernels.Attend(pool, [entry], q, y, shape);
                }
            }
            return result;
        }

        private float[] Held(float[] numbers) => format == CacheFormat.BFloat16 ? [.. Narrow(numbers).Select(Q8.Scale)] : numbers;

        private static ushort[] Narrow(float[] numbers) => [.. numbers.Select(number => (ushort)(BitConverter.SingleToUInt32Bits(number) >> 16))];

        public void Expect(float[] result)
        {
            for (int row = 0; row < count; row++)
            {
                for (int head = 0; head < shape.Heads; head++)
                    ExpectHead(result, row, head);
            }
        }

        private void ExpectHead(float[] result, int row, int head)
        {
            int headSize = shape.HeadSize, at = ((row * shape.Heads) + head) * headSize, keyHead = head / shape.Group, last = position + row;
            int[] seen = [.. Enumerable.Range(0, last + 1).Where(p => last - p < shape.Window)];
            double[] shares = [.. seen.Select(p =>
            {
                double score = shape.Scale * Enumerable.Range(0, headSize).Sum(d => (double)queries[at + d] * keys[Place(p, keyHead) + d]);
                return Math.Exp(shape.SoftCap == 0 ? score : shape.SoftCap * Math.Tanh(score / shape.SoftCap));
            })];
            for (int d = 0; d < headSize; d++)
                Assert.Equal(seen.Zip(shares, (p, share) => share * values[Place(p, keyHead) + d]).Sum() / shares.Sum(), result[at + d], 2e-5);
        }

        private int Place(int p, int head)
        {
            int block = blocks[p / blockSize] * blockSize * shape.KeyHeads;
            return (block + (headsApart ? (head * blockSize) + (p % blockSize) : (p % blockSize * shape.KeyHeads) + head)) * shape.HeadSize;
        }
    }
}
