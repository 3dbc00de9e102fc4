using System.Runtime.Intrinsics;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Kernels;

/// <summary>
/// The kernels of a forward pass, in Float32 over unmanaged memory, for one width of vectors. None allocates; each returns when its work
/// is done.
/// </summary>
internal abstract unsafe class KernelSet
{
    /// <summary>Rows of one attention piece: enough to use keys again, few enough to share a prompt among threads.</summary>
    public const int AttentionRowsPerEntry = 16;

    /// <summary>What this processor can run, the fastest first.</summary>
    public static IReadOnlyList<KernelSet> Supported { get; } = Find();

    /// <summary>The fastest that this processor can run.</summary>
    public static KernelSet Best => Supported[0];

    /// <summary>Bits of its vectors.</summary>
    public abstract int Bits { get; }

    /// <summary>y = scale · x·Wᵀ for each product, or y += that.</summary>
    /// <param name="pool">Its threads share the work.</param>
    /// <param name="products">Up to <see cref="Products.Capacity"/>, of matrices with equally many columns and one format, or formats that are not Q8.</param>
    /// <param name="x">[rows, columns].</param>
    /// <param name="rows">Rows of the input.</param>
    /// <param name="scale">Factor on the products.</param>
    /// <param name="adds">Whether outputs are added to.</param>
    public abstract void Multiply(KernelPool pool, ReadOnlySpan<Product> products, float* x, int rows, float scale = 1, bool adds = false);

    /// <summary>Root-mean-square norm of rows [rows, width]; the output may be x itself, or be added to.</summary>
    public abstract void Norm(KernelPool pool, float* x, float* weight, float* output, int rows, int width, float epsilon, bool adds = false);

    /// <summary>Adds a bias [width] to rows [rows, width].</summary>
    public abstract void AddBias(KernelPool pool, float* x, float* bias, int rows, int width);

    /// <summary>Multiplies rows [rows, width] by factors [width], in place.</summary>
    public abstract void Scale(KernelPool pool, float* x, float* factors, int rows, int width);

    /// <summary>cap · tanh(x / cap) in place, [rows, width].</summary>
    public abstract void SoftCap(KernelPool pool, float* x, int rows, int width, float cap);

    /// <summary>activation(gate) · up into gate, [rows, width].</summary>
    public abstract void Gated(KernelPool pool, Activation activation, float* gate, float* up, int rows, int width);

    /// <summary>Rotary embeddings, and new keys and values into the cache.</summary>
    public abstract void Rotate(KernelPool pool, in RotateArguments arguments, int rows);

    /// <summary>Attention of some entries, each of at most <see cref="AttentionRowsPerEntry"/> rows.</summary>
    /// <param name="pool">Its threads share the work.</param>
    /// <param name="entries">Who attends to what.</param>
    /// <param name="queries">[rows, heads, headSize], rotated.</param>
    /// <param name="output">[rows, heads, headSize].</param>
    /// <param name="shape">How the layer attends.</param>
    public abstract void Attend(KernelPool pool, Span<AttentionRows> entries, float* queries, float* output, in AttentionShape shape);

    /// <summary>A row of a matrix as Float32.</summary>
    public abstract void Restore(in KernelMatrix matrix, int row, float* to);

    private static List<KernelSet> Find()
    {
        var sets = new List<KernelSet>();
        Add<Lanes512, Vector512<float>>(sets);
        Add<Lanes256, Vector256<float>>(sets);
        Add<Lanes128, Vector128<float>>(sets);
        return sets;
    }

    private static void Add<TLanes, TVector>(List<KernelSet> sets)
        where TLanes : struct, ILanes<TVector>
        where TVector : unmanaged
    {
        if (TLanes.IsSupported)
            sets.Add(new KernelSet<TLanes, TVector>());
    }
}

/// <inheritdoc/>
internal sealed unsafe class KernelSet<TLanes, TVector> : KernelSet
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Below this many multiplications or numbers, waking another thread costs more than it saves: a few microseconds' worth.</summary>
    private const long WorthSharing = 1 << 16;

    /// <summary>Multiplications that an exponential takes as long as.</summary>
    private const long ExponentialWork = 8;

    public override int Bits => TLanes.Count * 32;

    public override void Multiply(KernelPool pool, ReadOnlySpan<Product> products, float* x, int rows, float scale = 1, bool adds = false)
    {
        long work = 0;
        foreach (var product in products)
            work += (long)product.Matrix.Rows * product.Matrix.Columns * rows;
        if (products[0].Matrix.Format == WeightFormat.Q8)
        {
            MultiplyQ8(pool, products, x, rows, scale, adds, work);
            return;
        }
        var job = new MultiplyJob<TLanes, TVector>(products, x, rows, scale, adds);
        Run(pool, ref job, job.Pieces, work, job.ScratchFloats);
    }

    private static void MultiplyQ8(KernelPool pool, ReadOnlySpan<Product> products, float* x, int rows, float scale, bool adds, long work)
    {
        int columns = products[0].Matrix.Columns, blocks = Q8.Blocks(columns);
        long numbers = (long)rows * blocks * Q8.Block;
        pool.Shared.Reserve((numbers * sizeof(short)) + ((long)rows * blocks * sizeof(float)));
        var inputs = new Q8Inputs((short*)pool.Shared.Data, (float*)((short*)pool.Shared.Data + numbers), blocks);
        var round = new RoundJob<TLanes, TVector>(x, columns, inputs);
        Run(pool, ref round, rows, 2 * numbers, 0);
        var job = new Q8Job<TLanes, TVector>(products, inputs, rows, scale, adds);
        Run(pool, ref job, job.Pieces, work, 0);
    }

    public override void Norm(KernelPool pool, float* x, float* weight, float* output, int rows, int width, float epsilon, bool adds = false)
    {
        var job = new NormJob<TLanes, TVector>(x, weight, output, width, epsilon, adds);
        Run(pool, ref job, rows, (long)rows * width, 0);
    }

    public override void AddBias(KernelPool pool, float* x, float* bias, int rows, int width)
    {
        var job = new BiasJob<TLanes, TVector>(x, bias, width);
        Run(pool, ref job, rows, (long)rows * width, 0);
    }

    public override void Scale(KernelPool pool, float* x, float* factors, int rows, int width)
    {
        var job = new ScaleJob<TLanes, TVector>(x, factors, width);
        Run(pool, ref job, rows, (long)rows * width, 0);
    }

    public override void SoftCap(KernelPool pool, float* x, int rows, int width, float cap)
    {
        var job = new SoftCapJob<TLanes, TVector>(x, width, cap);
        Run(pool, ref job, rows, ExponentialWork * rows * width, 0);
    }

    public override void Gated(KernelPool pool, Activation activation, float* gate, float* up, int rows, int width)
    {
        // GELU by tanh is x · σ(√(8/π) · (x + 0.044715 x³)).
        var (linear, cubic) = activation == Activation.Silu ? (1f, 0f) : (1.5957691f, 0.07135481f);
        var job = new GatedJob<TLanes, TVector>(gate, up, width, linear, cubic);
        Run(pool, ref job, rows, ExponentialWork * rows * width, 0);
    }

    public override void Rotate(KernelPool pool, in RotateArguments arguments, int rows)
    {
        var job = new RotateJob<TLanes, TVector>(arguments);
        Run(pool, ref job, rows, (long)rows * (arguments.Heads + (3 * arguments.KeyHeads)) * arguments.HeadSize, 0);
    }

    public override void Attend(KernelPool pool, Span<AttentionRows> entries, float* queries, float* output, in AttentionShape shape)
    {
        int longest = 0, most = 0;
        long work = 0;
        foreach (ref readonly var entry in entries)
        {
            int scored = entry.Position + entry.Count - shape.FirstScored(entry);
            (longest, most) = (Math.Max(longest, scored), Math.Max(most, entry.Count));
            work += 2L * entry.Count * scored * shape.Heads * shape.HeadSize;
        }
        fixed (AttentionRows* first = entries)
        {
            var job = new AttentionJob<TLanes, TVector>(first, queries, output, shape, longest);
            Run(pool, ref job, entries.Length * shape.KeyHeads, work, AttentionJob<TLanes, TVector>.ScratchFloats(most, longest, shape));
        }
    }

    public override void Restore(in KernelMatrix matrix, int row, float* to) => MatrixTiles<TLanes, TVector>.Restore(matrix, row, to);

    private static void Run<TJob>(KernelPool pool, ref TJob job, int pieces, long work, long scratchFloats)
        where TJob : unmanaged, IKernelJob
    {
        if (work < WorthSharing)
            pool.RunHere(ref job, pieces, scratchFloats);
        else
            pool.Run(ref job, pieces, scratchFloats);
    }
}
