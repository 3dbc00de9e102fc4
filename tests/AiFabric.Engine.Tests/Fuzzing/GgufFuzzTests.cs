using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.LlamaCpp;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Gguf;
using AiFabric.Tests.Fuzzing;
using CsCheck;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Fuzzing;

/// <summary>Whatever stands in a GGUF file: every tensor lies inside of it, or it is refused by a <see cref="CheckpointException"/>.</summary>
public sealed class GgufFuzzTests : IDisposable
{
    /// <summary>Numbers that a header lies with best.</summary>
    private static readonly ulong[] OddNumbers =
        [0, 1, 2, 31, 32, 33, 255, 1 << 16, int.MaxValue, uint.MaxValue, 1ul << 32, 1ul << 61, 1ul << 62, long.MaxValue, 1ul << 63, ulong.MaxValue - 31, ulong.MaxValue];

    private readonly TemporaryFolder folder = new();
    private readonly RandomModel model = new();

    private string Path => folder.File("model.gguf");

    public void Dispose()
    {
        folder.Dispose();
        model.Dispose();
    }

    [Fact]
    public void Headers_and_tensors()
    {
        byte[] valid = Valid(GgufType.Q8);
        int header = HeaderBytes();
        Fuzz.Run(Mutations.OfBytes(valid[..header]).Select(cut => (byte[])[.. cut, .. valid[header..]]), 3_000, Read);
        Fuzz.Run(Lies(valid, header), 4_000, Read);
        Fuzz.Run(Gen.Int[0, valid.Length].Select(length => valid[..length]), 300, Read);
        Fuzz.Run(Gen.Select(Gen.Byte.Array[0, 200], rest => (byte[])[.. "GGUF"u8, 3, 0, 0, 0, .. rest]), 2_000, Read);
    }

    [Fact]
    public void Whole_models()
    {
        byte[] valid = Valid(GgufType.Float32);
        int header = HeaderBytes();
        long before = LiveTensors.Settled();
        Fuzz.Run(Mutations.OfBytes(valid[..header]).Select(cut => (byte[])[.. cut, .. valid[header..]]), 500, Load);
        Fuzz.Run(Lies(valid, header), 1_000, Load);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void Vocabularies_of_pieces()
    {
        using (var writer = new GgufWriter())
        {
            writer.Add("general.architecture", "llama");
            PieceVocabulary.Write(writer, prefix: true);
            writer.Write(Path);
        }
        byte[] valid = File.ReadAllBytes(Path);
        Fuzz.Run(Mutations.OfBytes(valid), 700, ReadTokenizer);
        Fuzz.Run(Lies(valid, valid.Length), 700, ReadTokenizer);

        void ReadTokenizer(byte[] content)
        {
            File.WriteAllBytes(Path, content);
            Refused(() =>
            {
                var tokenizer = HuggingFaceTokenizer.Load(folder.Path);
                tokenizer.Decode(tokenizer.Encode("that it is, <s> é🙂 1234"));
            });
        }
    }

    private void Read(byte[] content)
    {
        File.WriteAllBytes(Path, content);
        Fuzz.Bounded(content.Length, () => Refused(() =>
        {
            using var file = GgufFile.Open(Path);
            foreach (var entry in file.Tensors.Values)
            {
                Assert.InRange(entry.Offset + entry.Bytes, entry.Bytes, content.Length);
                Assert.Equal(content.AsSpan((int)entry.Offset, (int)entry.Bytes), file.Bytes(entry, 0, (int)entry.Bytes));
            }
            foreach (string key in file.Metadata.Keys)
                _ = Text(file.Metadata, key);
        }));
    }

    private void Load(byte[] content)
    {
        File.WriteAllBytes(Path, content);
        Refused(() => HuggingFaceTokenizer.Load(folder.Path));
        Refused(() =>
        {
            using var weights = DecoderWeights.Load(folder.Path, ScalarType.Float32, CPU);
            Assert.InRange(weights.ParameterCount * sizeof(float), 1, content.Length);
        });
        Refused(() => HostWeights.Load(folder.Path, WeightFormat.Q8).Dispose());
    }

    // Eight or four bytes somewhere in the header become a number that lies.
    private static Gen<byte[]> Lies(byte[] valid, int header) =>
        Gen.Select(Gen.Int[0, header - 8], Gen.Int[0, OddNumbers.Length - 1], Gen.Bool).Array[1, 2].Select(lies =>
        {
            byte[] content = [.. valid];
            foreach (var (at, number, wide) in lies)
                BitConverter.GetBytes(OddNumbers[number])[..(wide ? 8 : 4)].CopyTo(content, at);
            return content;
        });

    private byte[] Valid(GgufType type)
    {
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);
        LlamaGguf.Write(model.Path, weights, Path, type);
        return File.ReadAllBytes(Path);
    }

    private int HeaderBytes()
    {
        using var file = GgufFile.Open(Path);
        return (int)file.Tensors.Values.Min(entry => entry.Offset);
    }

    private static string? Text(GgufMetadata metadata, string key)
    {
        try
        {
            return metadata.TextOrNull(key);
        }
        catch (CheckpointException)
        {
            return string.Join(' ', metadata.TextsOrNull(key) ?? []);
        }
    }

    private static void Refused(Action read)
    {
        try
        {
            read();
        }
        catch (CheckpointException e)
        {
            Assert.NotEmpty(e.Message);
        }
    }
}
