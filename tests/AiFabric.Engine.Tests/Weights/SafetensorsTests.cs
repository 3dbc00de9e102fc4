using System.Buffers.Binary;
using System.Text;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Weights;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Weights;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public SafetensorsTests() => TorchRuntime.EnsureLoaded();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.Float64)]
    public void Tensors_survive_a_round_trip(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var matrix = randn(3, 5).to(type);
        var scalar = tensor(2.5).to(type);
        SafetensorsWriter.Write(
            folder.File("m.safetensors"),
            [new("matrix", matrix.t()), new("scalar", scalar), new("empty", zeros(0, 4).to(type))],
            new Dictionary<string, string> { ["format"] = "pt" });

        using var file = SafetensorsFile.Open(folder.File("m.safetensors"));

        Assert.Equal(["empty", "matrix", "scalar"], file.Tensors.Keys.Order());
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.True(file.Read("matrix", [5, 3]).eq(matrix.t()).all().item<bool>());
        Assert.True(file.Read("scalar").eq(scalar).all().item<bool>());
        Assert.Equal([0, 4], file.Read("empty").shape);
        Assert.Equal(ScalarType.Float32, file.Read("matrix", ScalarType.Float32).dtype);
        Assert.Equal(matrix.t().contiguous().bytes.ToArray(), file.Bytes("matrix").ToArray());
    }

    [Fact]
    public void Reading_leaves_no_tensor_behind()
    {
        using (var ones = torch.ones(4))
            SafetensorsWriter.Write(folder.File("m.safetensors"), [new("w", ones)]);
        long before = LiveTensors.Settled();

        using (var file = SafetensorsFile.Open(folder.File("m.safetensors")))
        {
            file.Read("w", ScalarType.BFloat16).Dispose();
        }

        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void Failed_write_keeps_the_old_file_and_leaves_nothing_beside_it()
    {
        string path = folder.Write("m.safetensors", "old");
        using var integers = torch.ones(4, dtype: ScalarType.Int16);

        Assert.Throws<CheckpointException>(() => SafetensorsWriter.Write(path, [new("w", integers)]));

        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Missing_file_and_missing_tensor_are_named()
    {
        Assert.Contains("none.safetensors: cannot be read", Refused(folder.File("none.safetensors")), StringComparison.Ordinal);
        using var file = SafetensorsFile.Open(Make("""{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4));
        var error = Assert.Throws<CheckpointException>(() => file.Bytes("v"));
        Assert.Contains("has no tensor 'v'", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<CheckpointException>(() => file.Read("w", [2, 2]));
        Assert.Contains("tensor 'w' has shape [1], expected [2, 2]", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not json", 0, "not valid JSON")]
    [InlineData("[]", 0, "no object")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "tensor 'w' claims bytes 0 to 8 of the data, which holds 4")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "tensor 'w' of shape [2] F32 does not fit its 4 bytes")]
    [InlineData("""{"w":{"dtype":"F32","shape":[9223372036854775807,16],"data_offsets":[0,4]}}""", 4, "does not fit its 4 bytes")]
    [InlineData("""{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "tensor 'w' needs dtype")]
    [InlineData("""{"w":{"dtype":"I16","shape":[1],"data_offsets":[0,2]}}""", 2, "dtype I16, which is not supported")]
    [InlineData("""{"w":{"dtype":"F32","shape":[1]}}""", 4, "data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "tensor 'b' overlaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "4 bytes before tensor 'a' belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "4 bytes after the last tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "claims bytes 4 to 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "not valid JSON")]
    [InlineData("""{"__metadata__":{"n":1}}""", 0, "__metadata__ must map names to strings")]
    public void Lying_header_is_refused_with_the_tensor_and_the_lie(string header, int dataBytes, string expected)
    {
        string message = Refused(Make(header, dataBytes));

        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Contains("made.safetensors", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[0], "too few")]
    [InlineData(new byte[] { 1, 2, 3 }, "too few")]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255 }, "above the limit")]
    [InlineData(new byte[] { 100, 0, 0, 0, 0, 0, 0, 0, 123 }, "truncated")]
    public void Truncated_file_is_refused(byte[] content, string expected)
    {
        File.WriteAllBytes(folder.File("cut.safetensors"), content);

        Assert.Contains(expected, Refused(folder.File("cut.safetensors")), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_cut_of_a_good_file_is_refused()
    {
        string whole = Make("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8);
        byte[] bytes = File.ReadAllBytes(whole);
        for (int length = 0; length < bytes.Length; length++)
        {
            File.WriteAllBytes(whole, bytes[..length]);
            Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(whole));
        }
    }

    private static string Refused(string path) => Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path)).Message;

    private string Make(string header, int dataBytes)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] content = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(content, (ulong)json.Length);
        json.CopyTo(content, 8);
        File.WriteAllBytes(folder.File("made.safetensors"), content);
        return folder.File("made.safetensors");
    }
}
