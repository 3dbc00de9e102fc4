using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Cuda;

/// <summary>Kernels of our own for a model on a CUDA device: what libtorch does in many small launches, in one each. Without gradients.</summary>
/// <remarks>All tensors are contiguous, of the model's element type and on its device. Results belong to the caller's scope.</remarks>
internal sealed unsafe class CudaKernels
{
    private const int RowThreads = 256, AttendThreads = 128;
    private const int LeastChunk = 128; // Keys of a split: fewer are not worth combining.

    private readonly CudaDriver driver;
    private readonly DecoderConfig config;
    private readonly nint rmsNorm, rotate, gated, store, attend, combine;

    private CudaKernels(CudaDriver driver, DecoderConfig config, nint module)
    {
        (this.driver, this.config) = (driver, config);
        rmsNorm = driver.Function(module, "rms_norm");
        rotate = driver.Function(module, "rotate");
        gated = driver.Function(module, "gated");
        store = driver.Function(module, "store");
        attend = driver.Function(module, "attend");
        combine = driver.Function(module, "combine");
    }

    /// <summary>Compiles the kernels for a model; takes about a second.</summary>
    /// <param name="config">Its shape.</param>
    /// <param name="type">Float32 or BFloat16.</param>
    /// <param name="blockSize">Tokens of a block of the cache.</param>
    /// <exception cref="InvalidOperationException">They do not compile, or the driver refuses them.</exception>
    /// <exception cref="DllNotFoundException">This libtorch brings no compiler.</exception>
    public static CudaKernels Compile(DecoderConfig config, ScalarType type, int blockSize)
    {
        zeros(1, device: CUDA).Dispose(); // Gives this thread the device's context.
        var driver = CudaDriver.Load();
        using var source = new StreamReader(typeof(CudaKernels).Assembly.GetManifestResourceStream("kernels.cu")!); // Embedded by the project.
        List<string> options = [$"-DHEAD={config.HeadSize}", $"-DGROUPS={config.Heads / config.KeyValueHeads}", $"-DBLOCK={blockSize}"];
        if (type == ScalarType.BFloat16)
            options.Add("-DBFLOAT16");
        return new CudaKernels(driver, config, driver.LoadModule(driver.Compile(source.ReadToEnd(), options)));
    }

    /// <summary>Why there are no kernels for a model; null when there are.</summary>
    public static string? Unfit(DecoderConfig config, ScalarType type)
    {
        if (type is not (ScalarType.Float32 or ScalarType.BFloat16))
            return $"they compute no {type}";
        if (config.HeadSize is not (32 or 64 or 128 or 256))
            return $"heads have {config.HeadSize} numbers, not 32, 64, 128 or 256";
        return config.Heads / config.KeyValueHeads > 8 ? "more than eight query heads share a key" : null;
    }

    /// <summary>Root-mean-square norm of each row, as <see cref="Models.DecoderMath.RmsNorm"/>.</summary>
    /// <param name="x">[…, width].</param>
    /// <param name="weight">[width].</param>
    public Tensor RmsNorm(Tensor x, Tensor weight)
    {
        var result = empty_like(x);
        RmsNorm(x, null, weight, null, result);
        return result;
    }

    /// <summary>x + delta, and its norm.</summary>
    /// <param name="x">[n, width].</param>
    /// <param name="delta">[n, width].</param>
    /// <param name="weight">[width].</param>
    public (Tensor Sum, Tensor Normed) AddAndNorm(Tensor x, Tensor delta, Tensor weight)
    {
        var (sum, normed) = (empty_like(x), empty_like(x));
        RmsNorm(x, delta, weight, sum, normed);
        return (sum, normed);
    }

    /// <summary>Turns all heads of each row in place, as <see cref="Models.DecoderMath.ApplyRotary"/>.</summary>
    /// <param name="x">[n, heads, headDim]; changed.</param>
    /// <param name="cosines">[n, 1, headDim / 2].</param>
    /// <param name="sines">[n, 1, headDim / 2].</param>
    public void Rotate(Tensor x, Tensor cosines, Tensor sines)
    {
        void* rows = DeviceMemory.Of(x), cos = DeviceMemory.Of(cosines), sin = DeviceMemory.Of(sines);
        int heads = (int)x.shape[1];
        void** arguments = stackalloc void*[] { &rows, &cos, &sin, &heads };
        driver.Launch(rotate, ((int)x.shape[0], 1, 1), RowThreads, arguments);
    }

    /// <summary>activation(gate) · up, as <see cref="Models.DecoderMath.Gated"/>.</summary>
    public Tensor Gated(Activation activation, Tensor gate, Tensor up)
    {
        var result = empty_like(gate);
        void* left = DeviceMemory.Of(gate), right = DeviceMemory.Of(up), to = DeviceMemory.Of(result);
        long count = gate.numel();
        int gelu = activation == Activation.Silu ? 0 : 1;
        void** arguments = stackalloc void*[] { &left, &right, &to, &count, &gelu };
        int blocks = (int)Math.Min((count + RowThreads - 1) / RowThreads, 8L * driver.Multiprocessors);
        driver.Launch(gated, (blocks, 1, 1), RowThreads, arguments);
        return result;
    }

    /// <summary>Writes new keys and values into a layer's cache.</summary>
    /// <param name="keys">[n, kvHeads, headDim].</param>
    /// <param name="values">[n, kvHeads, headDim].</param>
    /// <param name="slots">[n] Int64, distinct.</param>
    /// <param name="cache">Each [blocks, blockSize, kvHeads, headDim].</param>
    public void Store(Tensor keys, Tensor values, Tensor slots, (Tensor Keys, Tensor Values) cache)
    {
        void* newKeys = DeviceMemory.Of(keys), newValues = DeviceMemory.Of(values), places = DeviceMemory.Of(slots);
        void* allKeys = DeviceMemory.Of(cache.Keys), allValues = DeviceMemory.Of(cache.Values);
        int width = config.KeyValueHeads * config.HeadSize;
        void** arguments = stackalloc void*[] { &newKeys, &newValues, &places, &allKeys, &allValues, &width };
        driver.Launch(store, ((int)slots.shape[0], 1, 1), RowThreads, arguments);
    }

    /// <summary>Attention of rows that each have one query and a context in the cache, read where it lies.</summary>
    /// <param name="queries">[n, heads, headDim], rotated.</param>
    /// <param name="cache">Each [blocks, blockSize, kvHeads, headDim].</param>
    /// <param name="blocks">[n · width] Int64: each row's blocks, padded.</param>
    /// <param name="lengths">[n] Int64: keys that each row sees, its own among them.</param>
    /// <param name="longest">The largest of them, or more.</param>
    /// <param name="window">Keys that a layer sees; null for all.</param>
    /// <returns>[n, heads · headDim].</returns>
    public Tensor Attend(Tensor queries, (Tensor Keys, Tensor Values) cache, Tensor blocks, Tensor lengths, int longest, int? window)
    {
        int rows = (int)lengths.shape[0], width = (int)(blocks.shape[0] / rows), keyHeads = config.KeyValueHeads, seen = window ?? 0;
        // Enough blocks to fill the device twice, if the context is long enough to be split.
        int splits = Math.Max(1, Math.Min((longest + LeastChunk - 1) / LeastChunk, ((2 * driver.Multiprocessors) + (rows * keyHeads) - 1) / (rows * keyHeads)));
        int chunk = (longest + splits - 1) / splits;
        float scale = (float)(config.QueryFactor / Math.Sqrt(config.HeadSize)), cap = (float)(config.AttentionSoftCap ?? 0);
        var result = empty(rows, config.Heads * config.HeadSize, dtype: queries.dtype, device: queries.device);
        using var parts = splits == 1 ? null : empty((long)rows * config.Heads * splits * (config.HeadSize + 2), dtype: ScalarType.Float32, device: queries.device);
        void* query = DeviceMemory.Of(queries), keys = DeviceMemory.Of(cache.Keys), values = DeviceMemory.Of(cache.Values), table = DeviceMemory.Of(blocks);
        void* counts = DeviceMemory.Of(lengths), to = DeviceMemory.Of(result), partial = DeviceMemory.Of(parts);
        void** arguments = stackalloc void*[] { &query, &keys, &values, &table, &counts, &to, &partial, &width, &keyHeads, &chunk, &scale, &cap, &seen };
        driver.Launch(attend, (rows, keyHeads, splits), AttendThreads, arguments);
        if (splits > 1)
        {
            void** rest = stackalloc void*[] { &partial, &to, &splits };
            driver.Launch(combine, (rows * config.Heads, 1, 1), config.HeadSize, rest);
        }
        return result;
    }

    private void RmsNorm(Tensor x, Tensor? delta, Tensor weight, Tensor? sum, Tensor result)
    {
        void* from = DeviceMemory.Of(x), more = DeviceMemory.Of(delta), by = DeviceMemory.Of(weight), added = DeviceMemory.Of(sum), to = DeviceMemory.Of(result);
        int width = (int)weight.shape[0];
        float epsilon = (float)config.NormEpsilon;
        void** arguments = stackalloc void*[] { &from, &more, &by, &added, &to, &width, &epsilon };
        driver.Launch(rmsNorm, ((int)(x.numel() / width), 1, 1), width < RowThreads ? Math.Max(32, width / 32 * 32) : RowThreads, arguments);
    }
}
