using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Cuda;

/// <summary>Kernels of our own for a model on a CUDA device: what libtorch does in many small launches, in one each. Without gradients.</summary>
/// <remarks>All tensors are contiguous, on the model's device and, unless said otherwise, of its element type.</remarks>
internal sealed unsafe class CudaKernels
{
    private const int RowThreads = 256, AttendThreads = 128, WideThreads = 1024;
    private const int LeastChunk = 64, MostSplits = 64; // Keys of a split at least: fewer are not worth combining.

    private readonly CudaDriver driver;
    private readonly DecoderConfig config;
    private readonly nint rmsNorm, rotate, gated, store, attend, combine, embed, mostLikely;

    private CudaKernels(CudaDriver driver, DecoderConfig config, nint module)
    {
        (this.driver, this.config) = (driver, config);
        rmsNorm = driver.Function(module, "rms_norm");
        rotate = driver.Function(module, "rotate");
        gated = driver.Function(module, "gated");
        store = driver.Function(module, "store");
        attend = driver.Function(module, "attend");
        combine = driver.Function(module, "combine");
        embed = driver.Function(module, "embed");
        mostLikely = driver.Function(module, "most_likely");
    }

    public CudaDriver Driver => driver;

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
        List<string> options = [$"-DHEAD={config.HeadSize}", $"-DGROUPS={config.Heads / config.KeyValueHeads}", $"-DBLOCK={blockSize}", $"-DLEAST_CHUNK={LeastChunk}"];
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
    /// <param name="into">As x; may be x.</param>
    public void RmsNorm(Tensor x, Tensor weight, Tensor into) => RmsNorm(x, null, weight, null, into);

    /// <summary>x + delta, and its norm.</summary>
    /// <param name="x">[n, width].</param>
    /// <param name="delta">[n, width].</param>
    /// <param name="weight">[width].</param>
    /// <param name="sum">[n, width]; may be x.</param>
    /// <param name="into">[n, width]: the norm.</param>
    public void AddAndNorm(Tensor x, Tensor delta, Tensor weight, Tensor sum, Tensor into) => RmsNorm(x, delta, weight, sum, into);

    /// <summary>Turns all heads of each row in place, as <see cref="Models.DecoderMath.ApplyRotary"/>.</summary>
    /// <param name="x">[n, heads, headDim]; changed.</param>
    /// <param name="angles">Cosines and sines: of the rows, each [n, 1, headDim / 2], or of all positions, [positions, headDim / 2].</param>
    /// <param name="positions">[n] Int64, with angles of all positions; else null.</param>
    public void Rotate(Tensor x, (Tensor Cos, Tensor Sin) angles, Tensor? positions = null)
    {
        void* rows = DeviceMemory.Of(x), cos = DeviceMemory.Of(angles.Cos), sin = DeviceMemory.Of(angles.Sin), places = DeviceMemory.Of(positions);
        int heads = (int)x.shape[1];
        void** arguments = stackalloc void*[] { &rows, &cos, &sin, &places, &heads };
        driver.Launch(rotate, ((int)x.shape[0], 1, 1), RowThreads, arguments);
    }

    /// <summary>activation(gate) · up, as <see cref="Models.DecoderMath.Gated"/>.</summary>
    /// <param name="activation">Of the gate.</param>
    /// <param name="gate">Any shape.</param>
    /// <param name="up">As gate.</param>
    /// <param name="into">As gate.</param>
    public void Gated(Activation activation, Tensor gate, Tensor up, Tensor into)
    {
        void* left = DeviceMemory.Of(gate), right = DeviceMemory.Of(up), to = DeviceMemory.Of(into);
        long count = gate.numel();
        int gelu = activation == Activation.Silu ? 0 : 1;
        void** arguments = stackalloc void*[] { &left, &right, &to, &count, &gelu };
        int blocks = (int)Math.Min((count + RowThreads - 1) / RowThreads, 8L * driver.Multiprocessors);
        driver.Launch(gated, (blocks, 1, 1), RowThreads, arguments);
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

    /// <summary>In how many parts <see cref="Attend"/> computes contexts, so that the device is full.</summary>
    /// <param name="rows">Query rows.</param>
    /// <param name="longest">The longest context.</param>
    public int Splits(int rows, int longest)
    {
        int heads = rows * config.KeyValueHeads, filling = ((2 * driver.Multiprocessors) + heads - 1) / heads;
        return Math.Clamp(Math.Min((longest + LeastChunk - 1) / LeastChunk, filling), 1, MostSplits);
    }

    /// <summary>Memory for the parts of <see cref="Attend"/>, or null where there is one.</summary>
    public Tensor? Parts(int rows, int splits, Device device) =>
        splits == 1 ? null : empty((long)rows * config.Heads * splits * (config.HeadSize + 2), dtype: ScalarType.Float32, device: device);

    /// <summary>Attention of rows that each have one query and a context in the cache, read where it lies.</summary>
    /// <param name="queries">[n, heads, headDim], rotated.</param>
    /// <param name="cache">Each [blocks, blockSize, kvHeads, headDim].</param>
    /// <param name="blocks">[n · width] Int64: each row's blocks, padded.</param>
    /// <param name="lengths">[n + 2] Int64: keys that each row sees, its own among them, 0 for rows to leave alone; then width, and the largest length.</param>
    /// <param name="window">Keys that a layer sees; null for all.</param>
    /// <param name="splits">From <see cref="Splits"/>.</param>
    /// <param name="parts">From <see cref="Parts"/>.</param>
    /// <param name="into">[n, heads · headDim].</param>
    public void Attend(Tensor queries, (Tensor Keys, Tensor Values) cache, Tensor blocks, Tensor lengths, int? window, int splits, Tensor? parts, Tensor into)
    {
        int rows = (int)into.shape[0], keyHeads = config.KeyValueHeads, seen = window ?? 0, heads = config.Heads;
        float scale = (float)(config.QueryFactor / Math.Sqrt(config.HeadSize)), cap = (float)(config.AttentionSoftCap ?? 0);
        void* query = DeviceMemory.Of(queries), keys = DeviceMemory.Of(cache.Keys), values = DeviceMemory.Of(cache.Values), table = DeviceMemory.Of(blocks);
        void* counts = DeviceMemory.Of(lengths), to = DeviceMemory.Of(into), partial = DeviceMemory.Of(parts);
        void** arguments = stackalloc void*[] { &query, &keys, &values, &table, &counts, &to, &partial, &keyHeads, &scale, &cap, &seen };
        driver.Launch(attend, (rows, keyHeads, splits), AttendThreads, arguments);
        if (splits > 1)
        {
            void** rest = stackalloc void*[] { &partial, &counts, &to, &heads, &splits };
            driver.Launch(combine, (rows * heads, 1, 1), config.HeadSize, rest);
        }
    }

    /// <summary>Rows of the embedding, scaled as the model wants it.</summary>
    /// <param name="table">[vocab, width].</param>
    /// <param name="tokens">[n] Int64.</param>
    /// <param name="into">[n, width].</param>
    public void Embed(Tensor table, Tensor tokens, Tensor into)
    {
        void* from = DeviceMemory.Of(table), which = DeviceMemory.Of(tokens), to = DeviceMemory.Of(into);
        int width = config.HiddenSize;
        float factor = (float)config.EmbeddingScale;
        void** arguments = stackalloc void*[] { &from, &which, &to, &width, &factor };
        driver.Launch(embed, ((int)tokens.shape[0], 1, 1), RowThreads, arguments);
    }

    /// <summary>The place of each row's largest number, the lowest among equals; −1 where that is not finite.</summary>
    /// <param name="logits">[n, vocab].</param>
    /// <param name="into">[n] Int64.</param>
    public void MostLikely(Tensor logits, Tensor into)
    {
        void* from = DeviceMemory.Of(logits), to = DeviceMemory.Of(into);
        int count = config.VocabularySize;
        void** arguments = stackalloc void*[] { &from, &to, &count };
        driver.Launch(mostLikely, ((int)into.shape[0], 1, 1), WideThreads, arguments);
    }

    private void RmsNorm(Tensor x, Tensor? delta, Tensor weight, Tensor? sum, Tensor into)
    {
        void* from = DeviceMemory.Of(x), more = DeviceMemory.Of(delta), by = DeviceMemory.Of(weight), added = DeviceMemory.Of(sum), to = DeviceMemory.Of(into);
        int width = (int)weight.shape[0];
        float epsilon = (float)config.NormEpsilon;
        void** arguments = stackalloc void*[] { &from, &more, &by, &added, &to, &width, &epsilon };
        driver.Launch(rmsNorm, ((int)(x.numel() / width), 1, 1), width < RowThreads ? Math.Max(32, width / 32 * 32) : RowThreads, arguments);
    }
}
