using AiFabric.Engine.Adapters;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Models;

/// <summary>Weights in plain memory, as training sees them, against the same weights in tensors.</summary>
public sealed class HostWeightsTests
{
    public static TheoryData<string> Families => FamilyModels.All;

    [Theory]
    [MemberData(nameof(Families))]
    public void Training_sees_what_tensors_would_hold_and_all_is_freed(string family)
    {
        using var model = FamilyModels.Create(family);
        long before = LiveTensors.Settled();
        AssertSame(model.Path, WeightFormat.Float32, ScalarType.Float32);
        AssertSame(model.Path, WeightFormat.BFloat16, ScalarType.BFloat16);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.Float64)]
    public void Any_stored_type_becomes_either_format(ScalarType stored)
    {
        using var model = new RandomModel();
        Restore(Path.Combine(model.Path, "model.safetensors"), stored);

        AssertSame(model.Path, WeightFormat.Float32, ScalarType.Float32);
        AssertSame(model.Path, WeightFormat.BFloat16, ScalarType.BFloat16);
    }

    [Fact]
    public unsafe void Several_threads_read_what_one_reads()
    {
        using var model = new RandomModel();
        using HostWeights one = HostWeights.Load(model.Path, WeightFormat.Q8), many = HostWeights.Load(model.Path, WeightFormat.Q8, threads: 4);

        foreach (var target in LoraTargets.All)
        {
            KernelMatrix expected = one.Kernels[1, target], actual = many.Kernels[1, target];
            int bytes = (int)(Q8.Groups(expected.Rows) * Q8.GroupBytes(expected.Columns));
            Assert.True(new ReadOnlySpan<byte>(expected.Data, bytes).SequenceEqual(new ReadOnlySpan<byte>(actual.Data, bytes)), target.ToString());
        }
    }

    [Fact]
    public void The_digest_and_the_count_are_those_of_the_tensors()
    {
        using var model = new RandomModel(tied: true);
        using var host = HostWeights.Load(model.Path, WeightFormat.Float32);
        using var tensors = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);

        Assert.Equal(tensors.ParameterCount, host.ParameterCount);
        Assert.Equal(tensors.Digest, host.Digest);
        Assert.Equal(TorchSharp.DeviceType.CPU, host.Device.type);
    }

    private static void AssertSame(string folder, WeightFormat format, ScalarType type)
    {
        using var host = HostWeights.Load(folder, format, threads: 2);
        using var tensors = DecoderWeights.Load(folder, type, CPU);
        using var scope = NewDisposeScope();
        Assert.Equal(tensors.Type, host.Type);
        AssertEqual(tensors.FinalNorm, host.FinalNorm);
        AssertEqual(tensors.Head, host.TrainingHead());
        for (int layer = 0; layer < tensors.Config.Layers; layer++)
        {
            DecoderLayer expected = tensors.TrainingLayer(layer), actual = host.TrainingLayer(layer);
            foreach (var target in LoraTargets.All)
                AssertEqual(expected[target], actual[target]);
            foreach (var vector in LayerVectors.All)
            {
                Assert.Equal(expected[vector] is null, actual[vector] is null);
                if (expected[vector] is { } tensor)
                    AssertEqual(tensor, actual[vector]!); // Both have it: asserted above.
            }
        }
    }

    private static void AssertEqual(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.Equal(expected.shape, actual.shape);
        Assert.True(expected.eq(actual).all().item<bool>());
    }

    private static void Restore(string path, ScalarType stored)
    {
        using var scope = NewDisposeScope();
        KeyValuePair<string, Tensor>[] tensors;
        using (var file = SafetensorsFile.Open(path))
            tensors = [.. file.Tensors.Keys.Select(name => KeyValuePair.Create(name, file.Read(name, stored)))];
        SafetensorsWriter.Write(path, tensors);
    }
}
