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
        var shapes = Gen.Select(Gen.Int[1, 16], Gen.Int[0, 60], Gen.Int[1, 4], Gen.Int[1, 3], OneOf(1, 3, 4, 16), OneOf(2, 8, 20, 64, 80));
        shapes.Sample((count, position, group, keyHeads, blockSize, headSize) =>
        {
            using var pool = new KernelPool(2);
            var test = new Case(count, position, group, keyHeads, blockSize, headSize);
            float[] result = test.Run(KernelSet.Supported.Single(set => set.Bits == bits), pool);
            test.Expect(result);
        }, iter: 80, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Rotation_turns_pairs_and_stores_rows_with_slots(int bits)
    {
        const int Rows = 3, Heads = 4, KeyHeads = 2, HeadSize = 40, Half = HeadSize / 2, Slots = 5;
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
        const int Width = KeyHeads * HeadSize;
        Assert.Equal(k[..Width], keys[(4 * Width)..]);
        Assert.Equal(k[Width..(2 * Width)], keys[Width..(2 * Width)]);
        Assert.Equal(v[..Width], values[(4 * Width)..]);
        Assert.All(keys[..Width], value => Assert.Equal(0, value));
    }

    private static Gen<int> OneOf(params int[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    /// <summary>One sequence in a cache whose unused slots hold what no number equals.</summary>
    private sealed class Case
    {
        private readonly int count;
        private readonly int position;
        private readonly int group;
        private readonly int keyHeads;
        private readonly int blockSize;
        private readonly int headSize;
        private readonly int[] blocks;
        private readonly float[] queries;
        private readonly float[] keys;
        private readonly float[] values;

        public Case(int count, int position, int group, int keyHeads, int blockSize, int headSize)
        {
            (this.count, this.position, this.group, this.keyHeads, this.blockSize, this.headSize) = (count, position, group, keyHeads, blockSize, headSize);
            int used = (position + count + blockSize - 1) / blockSize, slot = keyHeads * headSize;
            using var random = new TestMatrices(count + position);
            blocks = [.. Enumerable.Range(0, used).Select(i => 2 * (used - i))]; // Backwards, with gaps.
            queries = [.. random.Random(count * keyHeads * group * headSize).Select(v => 3 * v)];
            (keys, values) = (new float[((2 * used) + 1) * blockSize * slot], new float[((2 * used) + 1) * blockSize * slot]);
            keys.AsSpan().Fill(float.NaN);
            values.AsSpan().Fill(float.NaN);
            for (int p = 0; p < position + count; p++)
            {
                random.Random(slot).CopyTo(keys, Slot(p));
                random.Random(slot).CopyTo(values, Slot(p));
            }
        }

        public float[] Run(KernelSet kernels, KernelPool pool)
        {
            float[] result = new float[queries.Length];
            fixed (float* q = queries, k = keys, v = values, y = result)
            fixed (int* table = blocks)
            {
                var entry = new AttentionRows { First = 0, Count = count, Position = position, Blocks = table, BlockSize = blockSize, Keys = k, Values = v };
                kernels.Attend(pool, [entry], q, y, keyHeads * group, keyHeads, headSize);
            }
            return result;
        }

        public void Expect(float[] result)
        {
            for (int row = 0; row < count; row++)
            {
                for (int head = 0; head < keyHeads * group; head++)
                    ExpectHead(result, row, head);
            }
        }

        private void ExpectHead(float[] result, int row, int head)
        {
            int at = ((row * keyHeads * group) + head) * headSize, keyHead = head / group * headSize, visible = position + row + 1;
            double[] shares = [.. Enumerable.Range(0, visible).Select(p =>
                Math.Exp(Enumerable.Range(0, headSize).Sum(d => (double)queries[at + d] * keys[Slot(p) + keyHead + d]) / Math.Sqrt(headSize)))];
            for (int d = 0; d < headSize; d++)
                Assert.Equal(Enumerable.Range(0, visible).Sum(p => shares[p] * values[Slot(p) + keyHead + d]) / shares.Sum(), result[at + d], 2e-5);
        }

        private int Slot(int p) => ((blocks[p / blockSize] * blockSize) + (p % blockSize)) * keyHeads * headSize;
    }
}
