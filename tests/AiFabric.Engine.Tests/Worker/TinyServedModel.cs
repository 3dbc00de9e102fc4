using AiFabric.Engine.Interop;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Weights;
using AiFabric.Tests.Tokenization;
using AiFabric.Worker.Backend;
using AiFabric.Worker.CommandLine;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>A model folder of random weights with a tokenizer of bytes, complete enough to be served.</summary>
internal sealed class TinyServedModel : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public TinyServedModel(string chatTemplate = TinyTokenizer.ChatTemplate, int positions = 256, params string[] moreMarks)
    {
        TorchRuntime.EnsureLoaded();
        Config = new DecoderConfig
        {
            HiddenSize = 32,
            IntermediateSize = 48,
            Layers = 2,
            Heads = 4,
            KeyValueHeads = 2,
            HeadSize = 8,
            VocabularySize = TinyTokenizer.Size + moreMarks.Length,
            MaximumPositions = positions,
            BeginOfSequenceId = TinyTokenizer.Begin,
            EndOfSequenceIds = [TinyTokenizer.End],
        };
        TinyTokenizer.Write(folder.Path, chatTemplate, moreMarks);
        folder.Write("config.json", Config.ToJson("float32"));
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(WeightsFile, RandomModel.RandomWeights(Config, seed: 1));
    }

    public DecoderConfig Config { get; }

    public string WeightsFile => folder.File("model.safetensors");

    public string Path => folder.Path;

    public ServeOptions Options => RunningWorker.Options with { Model = "file://" + folder.Path, KvBlocks = 128 };

    public Task<RunningWorker> ServeAsync(Func<ServeOptions, ServeOptions>? change = null) =>
        RunningWorker.StartAsync(EngineBackend.LoadAsync, change?.Invoke(Options) ?? Options);

    public void Dispose() => folder.Dispose();
}
