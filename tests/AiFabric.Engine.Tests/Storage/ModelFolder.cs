namespace AiFabric.Engine.Tests.Storage;

/// <summary>A folder with a model's files, large enough to be sent in several pieces; nothing that could be loaded.</summary>
internal sealed class ModelFolder : IDisposable
{
    public const int WeightBytes = 3_000_000;

    private readonly TemporaryFolder folder = new();

    public ModelFolder(int seed = 1)
    {
        byte[] weights = new byte[WeightBytes];
        new Random(seed).NextBytes(weights);
        File.WriteAllBytes(folder.File("model.safetensors"), weights);
        folder.Write("config.json", $"{{\"seed\": {seed}}}");
        folder.Write("tokenizer.json", "{}");
    }

    public string Path => folder.Path;

    public void Dispose() => folder.Dispose();
}
