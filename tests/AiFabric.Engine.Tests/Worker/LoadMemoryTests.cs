using AiFabric.Engine.Interop;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.LlamaCpp;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>What a worker's memory reaches while it loads, as the kernel counts it: weights, mapped files and all.</summary>
public sealed class LoadMemoryTests(LoadMemoryTests.Models models, ITestOutputHelper output) : IClassFixture<LoadMemoryTests.Models>
{
    private const double Most = 1.2;

    [Theory]
    [InlineData("single", "float32", "None", 4)]
    [InlineData("single", "bfloat16", "None", 2)]
    [InlineData("single", "float32", "Q8", 1.0625)]
    [InlineData("sharded", "float32", "None", 4)]
    [InlineData("sharded", "bfloat16", "None", 2)]
    [InlineData("sharded", "float32", "Q8", 1.0625)]
    [InlineData("gguf", "float32", "None", 4)]
    [InlineData("gguf", "bfloat16", "None", 2)]
    [InlineData("gguf", "float32", "Q8", 1.0625)]
    public async Task Loading_takes_less_than_a_fifth_more_than_the_weights(string kind, string type, string quantization, double bytesOfAWeight)
    {
        long empty = await PeakAsync("tiny", type, quantization), peak = await PeakAsync(kind, type, quantization);

        double weights = models.Parameters * bytesOfAWeight;
        output.WriteLine($"{kind}, {type}, {quantization}: {(peak - empty) / 1e6:F0} MB at most for {weights / 1e6:F0} MB of weights: {(peak - empty) / weights:F3}");
        Assert.InRange((peak - empty) / weights, 0.95, Most);
    }

    private async Task<long> PeakAsync(string kind, string type, string quantization)
    {
        using var worker = WorkerProcess.Start(
            "file://" + models.Folder(kind), ["--dtype", type, "--quantization", quantization, "--kv-blocks", "4", "--max-batch-tokens", "16", "--max-running-requests", "1"]);
        await worker.BeReadyAsync();
        return worker.Memory("VmHWM");
    }

    /// <summary>The same 88 million random weights as a file of 352 MB, as three shards, and as a GGUF file of q8_0; and a model of next to none.</summary>
    public sealed class Models : IDisposable
    {
        private static readonly DecoderConfig Shape = new()
        {
            HiddenSize = 1024,
            IntermediateSize = 2560,
            Layers = 8,
            Heads = 16,
            KeyValueHeads = 4,
            HeadSize = 64,
            VocabularySize = 4096,
            MaximumPositions = 512,
            TieWordEmbeddings = true,
        };

        private readonly TemporaryFolder folder = new();

        public Models()
        {
            TorchRuntime.EnsureLoaded();
            using var _ = no_grad();
            using var scope = NewDisposeScope();
            Write("tiny", Shape with { HiddenSize = 32, IntermediateSize = 32, Layers = 1, Heads = 2, KeyValueHeads = 2, HeadSize = 16 });
            var tensors = Write("single", Shape);
            Parameters = tensors.Values.Sum(tensor => tensor.numel());
            Shard(tensors);
            using var weights = DecoderWeights.Load(Folder("single"), ScalarType.Float32, CPU);
            LlamaGguf.Write(Folder("single"), weights, Path.Combine(Directory.CreateDirectory(Folder("gguf")).FullName, "model.gguf"), GgufType.Q8);
        }

        public long Parameters { get; }

        public string Folder(string kind) => folder.File(kind);

        public void Dispose() => folder.Dispose();

        private Dictionary<string, Tensor> Write(string kind, DecoderConfig config)
        {
            Prepare(kind, config);
            var tensors = RandomModel.RandomWeights(config, seed: 1);
            SafetensorsWriter.Write(Path.Combine(Folder(kind), "model.safetensors"), tensors);
            return tensors;
        }

        private void Shard(Dictionary<string, Tensor> tensors)
        {
            Prepare("sharded", Shape);
            var map = new Dictionary<string, string>();
            var shards = tensors.Select((tensor, i) => (Tensor: tensor, File: $"model-{(i % 3) + 1:D5}-of-00003.safetensors")).ToLookup(pair => pair.File, pair => pair.Tensor);
            foreach (var shard in shards)
            {
                SafetensorsWriter.Write(Path.Combine(Folder("sharded"), shard.Key), [.. shard]);
                foreach (var tensor in shard)
                    map[tensor.Key] = shard.Key;
            }
            File.WriteAllText(Path.Combine(Folder("sharded"), "model.safetensors.index.json"), System.Text.Json.JsonSerializer.Serialize(new { weight_map = map }));
        }

        private void Prepare(string kind, DecoderConfig config)
        {
            Directory.CreateDirectory(Folder(kind));
            File.WriteAllText(Path.Combine(Folder(kind), "config.json"), config.ToJson("float32"));
            File.Copy(Path.Combine(DemoModel.RequireFolder(), "tokenizer.json"), Path.Combine(Folder(kind), "tokenizer.json"));
        }
    }
}
