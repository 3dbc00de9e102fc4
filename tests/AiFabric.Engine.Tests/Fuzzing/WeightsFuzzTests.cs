using System.Buffers.Binary;
using System.Text;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.Training;
using AiFabric.Engine.Weights;
using AiFabric.Tests.Fuzzing;
using CsCheck;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Fuzzing;

/// <summary>Whatever stands in a weights file: every tensor lies inside of it, or it is refused by a <see cref="CheckpointException"/>.</summary>
public sealed class WeightsFuzzTests : IDisposable
{
    private const string Header =
        """
        {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},
        "c":{"dtype":"F16","shape":[0,4],"data_offsets":[26,26]},"d":{"dtype":"F64","shape":[1],"data_offsets":[26,34]}}
        """;

    private const int DataBytes = 34;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Safetensors()
    {
        string path = folder.File("m.safetensors");
        Fuzz.Run(Mutations.OfJson(Header).Select(header => File(header, DataBytes)), 2_500, Read);
        Fuzz.Run(Mutations.OfBytes(File(Encoding.UTF8.GetBytes(Header), DataBytes)), 2_500, Read);
        Fuzz.Run(Mutations.Random("dtype", "shape", "data_offsets").Select(header => File(header, DataBytes)), 1_000, Read);
        Fuzz.Run(Gen.Select(Gen.Byte.Array[8], Gen.Byte.Array[0, 64], (length, rest) => (byte[])[.. length, .. rest]), 1_000, Read);

        void Read(byte[] content)
        {
            System.IO.File.WriteAllBytes(path, content);
            Fuzz.Bounded(content.Length, () => Refused(() => ReadAll(path, content)));
        }
    }

    [Fact]
    public void Peft_folders()
    {
        string place = folder.File("adapter");
        Save(place);
        string config = Path.Combine(place, PeftFolder.ConfigFile), weights = Path.Combine(place, PeftFolder.WeightsFile);
        byte[] validConfig = System.IO.File.ReadAllBytes(config), validWeights = System.IO.File.ReadAllBytes(weights);
        int headerBytes = (int)BinaryPrimitives.ReadUInt64LittleEndian(validWeights);
        byte[] data = validWeights[(8 + headerBytes)..];
        string header = Encoding.UTF8.GetString(validWeights, 8, headerBytes);
        long before = LiveTensors.Settled();

        Fuzz.Run(Mutations.OfJson(Encoding.UTF8.GetString(validConfig)), 1_000, content => Read(content, validWeights));
        Fuzz.Run(Mutations.OfBytes(validConfig), 500, content => Read(content, validWeights));
        Fuzz.Run(Mutations.OfJson(header), 500, content => Read(validConfig, [.. File(content, 0), .. data]));

        Assert.Equal(before, Tensor.TotalCount);

        void Read(byte[] configContent, byte[] weightsContent)
        {
            System.IO.File.WriteAllBytes(config, configContent);
            System.IO.File.WriteAllBytes(weights, weightsContent);
            Fuzz.Bounded(configContent.Length + weightsContent.Length, () => Refused(() =>
            {
                using var values = PeftFolder.Read(place, TinyModel.Config, ScalarType.Float32, CPU);
                if (values.Method is not LoraMethod lora)
                    return;
                Assert.InRange(lora.Rank, 1, weightsContent.Length);
                Assert.True(double.IsFinite(lora.Scale));
            }));
        }
    }

    private static void ReadAll(string path, byte[] content)
    {
        using var file = SafetensorsFile.Open(path);
        long dataStart = 8 + (long)BinaryPrimitives.ReadUInt64LittleEndian(content);
        foreach (var (name, entry) in file.Tensors)
        {
            Assert.InRange(entry.Offset, dataStart, content.Length);
            Assert.InRange(entry.Offset + entry.Bytes, entry.Offset, content.Length);
            Assert.Equal(content.AsSpan((int)entry.Offset, (int)entry.Bytes), file.Bytes(name));
            using var tensor = file.Read(name);
            Assert.Equal(entry.Shape.AsSpan(), tensor.shape);
        }
    }

    private static void Save(string place)
    {
        using var values = RandomAdapter.Values(new LoraMethod { Rank = 2, Targets = [LoraTarget.Query] }, TinyModel.Config, 1);
        PeftFolder.Save(values, TinyModel.Config, place, "tiny");
    }

    private static byte[] File(byte[] header, int dataBytes)
    {
        byte[] content = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(content, (ulong)header.Length);
        header.CopyTo(content, 8);
        for (int i = 8 + header.Length; i < content.Length; i++)
            content[i] = (byte)i;
        return content;
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
