using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.LlamaCpp;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Benchmarks.Speed;

/// <summary>A model as both sides read it: a Hugging Face folder, and GGUF files made from it once.</summary>
/// <param name="Name">In tables.</param>
/// <param name="Folder">The Hugging Face folder.</param>
/// <param name="GgufFolder">Where GGUF files are kept.</param>
internal sealed record ModelFiles(string Name, string Folder, string GgufFolder)
{
    private static readonly DecoderConfig Shape = new()
    {
        HiddenSize = 768,
        IntermediateSize = 2048,
        Layers = 12,
        Heads = 12,
        KeyValueHeads = 4,
        HeadSize = 64,
        VocabularySize = 32_000,
        MaximumPositions = 2048,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = true,
    };

    /// <summary>The demo model.</summary>
    public static ModelFiles Demo(string repository) =>
        new("demo-5m", Path.Combine(repository, "runtime/models/aifabric-demo-5m"), Cache(repository, "demo-5m"));

    /// <summary>A Llama of 100 million random weights.</summary>
    public static ModelFiles Random(string repository)
    {
        Engine.Interop.TorchRuntime.EnsureLoaded(); // Naming a device is enough to need it.
        return Random(repository, "random-100m", Shape, CPU);
    }

    /// <summary>A Llama of random weights, stored in bfloat16, so that all formats but q8 hold the same numbers. Made once.</summary>
    /// <param name="repository">The checkout.</param>
    /// <param name="name">Its name; the files are found again under it.</param>
    /// <param name="shape">Its shape; a vocabulary of at least the demo model's, whose tokenizer it borrows.</param>
    /// <param name="device">Where the weights are drawn.</param>
    public static ModelFiles Random(string repository, string name, DecoderConfig shape, Device device)
    {
        var files = new ModelFiles(name, Cache(repository, name), Cache(repository, name));
        string demo = Demo(repository).Folder;
        Keep(files.Folder, "tokenizer.json", LargeTokenizer.Of(Path.Combine(demo, "tokenizer.json"), shape.VocabularySize));
        Keep(files.Folder, "tokenizer_config.json", File.ReadAllText(Path.Combine(demo, "tokenizer_config.json")));
        if (File.Exists(Path.Combine(files.Folder, "model.safetensors")))
            return files;
        File.WriteAllText(Path.Combine(files.Folder, "config.json"), shape.ToJson("bfloat16"));
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(Path.Combine(files.Folder, "model.safetensors"), RandomWeights(shape, device));
        return files;
    }

    /// <summary>The model in llama.cpp's format; made when it is not there.</summary>
    public string Gguf(SpeedFormat format)
    {
        string path = Path.Combine(GgufFolder, $"{Name}-{format.Name}.gguf");
        if (File.Exists(path))
            return path;
        Engine.Interop.TorchRuntime.EnsureLoaded(); // Naming a device is enough to need it.
        using var weights = DecoderWeights.Load(Folder, ScalarType.Float32, CPU);
        LlamaGguf.Write(Folder, weights, path + ".tmp", format.Gguf);
        File.Move(path + ".tmp", path);
        return path;
    }

    // Written when it is another text than before: two engines that start at the same time read the same files.
    private static void Keep(string folder, string name, string text)
    {
        string path = Path.Combine(folder, name);
        if (File.Exists(path) && File.ReadAllText(path) == text)
            return;
        string beside = Path.Combine(folder, Path.GetRandomFileName());
        File.WriteAllText(beside, text);
        File.Move(beside, path, overwrite: true);
    }

    private static string Cache(string repository, string name) =>
        Directory.CreateDirectory(Path.Combine(repository, "artifacts/bench/models", name)).FullName;

    private static Dictionary<string, Tensor> RandomWeights(DecoderConfig shape, Device device)
    {
        manual_seed(1);
        int hidden = shape.HiddenSize;
        var tensors = new Dictionary<string, Tensor>
        {
            ["model.embed_tokens.weight"] = Matrix(shape.VocabularySize, hidden, 0.3),
            ["model.norm.weight"] = ones(hidden).to(ScalarType.BFloat16),
        };
        if (!shape.TieWordEmbeddings)
            tensors["lm_head.weight"] = Matrix(shape.VocabularySize, hidden, 0.3);
        for (int layer = 0; layer < shape.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            tensors[prefix + "input_layernorm.weight"] = ones(hidden).to(ScalarType.BFloat16);
            tensors[prefix + "post_attention_layernorm.weight"] = ones(hidden).to(ScalarType.BFloat16);
            foreach (LoraTarget target in LoraTargets.All)
            {
                (int input, int output) = PeftFolder.Shape(shape, target);
                tensors[$"{prefix}{target.ModulePath()}.weight"] = Matrix(output, input, 1 / Math.Sqrt(input));
            }
        }
        return tensors;

        Tensor Matrix(int rows, int columns, double deviation)
        {
            using var matrix = NewDisposeScope();
            return (randn(rows, columns, device: device) * deviation).to(ScalarType.BFloat16).cpu().MoveToOuterDisposeScope();
        }
    }
}
