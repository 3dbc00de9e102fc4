using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Gguf;
using Xunit;

namespace AiFabric.Engine.Tests.Weights.Gguf;

public sealed class GgufFileTests : IDisposable
{
    private const uint Float32 = 0, Q8 = 8;

    private readonly TemporaryFolder folder = new();

    public static TheoryData<string, string> Lies => new()
    {
        { "magic", "does not begin with 'GGUF'" },
        { "version", "is of version 1; 2 and 3 are supported" },
        { "endian", "is a big-endian file" },
        { "tensors", "the number of tensors is 1000000000" },
        { "values", "the number of metadata values is 18446744073709551615" },
        { "text", "a string's length is 9223372036854775807" },
        { "list", "the length of the list 'l' is 4611686018427387904" },
        { "nested", "the metadata value 'l' is of type Array, which is not supported in lists" },
        { "type", "the metadata value 'x' is of type 99" },
        { "twice", "the metadata value 'a' is there twice" },
        { "alignment", "general.alignment is 24" },
        { "dimensions", "tensor 'w' has 5 dimensions" },
        { "overflow", "tensor 'w' has an extent of 4294967296" },
        { "empty", "tensor 'w' has an extent of 0" },
        { "format", "tensor 'w' is stored as IQ2_XS, which is not supported" },
        { "block", "tensor 'w' of Q8_0 has rows of 31" },
        { "gap", "tensor 'v' claims to begin at 64 of the data, but the one before it ends at 32" },
        { "again", "tensor 'w' is there twice" },
        { "beyond", "tensor 'w' claims 40 bytes from" },
        { "offset", "tensor 'w' claims to begin at 18446744073709551584 of the data" },
    };

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Values_and_tensors_are_found_where_they_are()
    {
        using var file = Open(new GgufBytes { Data = 64 + 34 }
            .Value("text", GgufBytes.Text, "grüß")
            .Value("number", GgufBytes.UInt32, 7u)
            .Value("flag", GgufBytes.Bool, (byte)1)
            .Value("list", GgufBytes.List, GgufBytes.Text, 2ul, "a", "")
            .Tensor("w", Float32, 0, 5, 2)
            .Tensor("q", Q8, 64, 32));

        Assert.Equal("grüß", file.Metadata.Text("text"));
        Assert.Equal(7, file.Metadata.Integer("number"));
        Assert.True(file.Metadata.FlagOrNull("flag"));
        Assert.Equal(["a", ""], file.Metadata.TextsOrNull("list")!);
        Assert.Null(file.Metadata.TextOrNull("absent"));
        Assert.Equal([2L, 5L], file.Tensors["w"].Shape);
        Assert.Equal([20, 21, 22, 23], file.Bytes(file.Tensors["w"], 20, 4).ToArray());
        Assert.Equal(64, file.Bytes(file.Tensors["q"], 0, 34)[0]);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(file.Tensors["w"], 38, 4).Length);
    }

    [Theory]
    [InlineData("text", "'text' is not an integer")]
    [InlineData("absent", "'absent' is missing")]
    [InlineData("list", "'list' is not a single value")]
    public void A_value_of_another_type_is_refused_with_its_key(string key, string expected)
    {
        using var file = Open(new GgufBytes().Value("text", GgufBytes.Text, "a").Value("list", GgufBytes.List, GgufBytes.UInt32, 1ul, 3u));

        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => file.Metadata.Integer(key)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_lie_is_refused_with_its_name(string lie, string expected)
    {
        string message = Assert.Throws<CheckpointException>(() => Open(Lying(lie)).Dispose()).Message;

        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Contains("m.gguf", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_cut_of_a_good_file_is_refused()
    {
        byte[] whole = new GgufBytes { Data = 40 }.Value("text", GgufBytes.Text, "abc").Tensor("w", Float32, 0, 5, 2).Build();
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(folder.File("m.gguf"), whole[..length]);
            Assert.Throws<CheckpointException>(() => GgufFile.Open(folder.File("m.gguf")));
        }
    }

    private static GgufBytes Lying(string lie) => lie switch
    {
        "magic" => new GgufBytes { Magic = 0x46554746 },
        "version" => new GgufBytes { Version = 1 },
        "endian" => new GgufBytes { Version = 3u << 24 },
        "tensors" => new GgufBytes { TensorCount = 1_000_000_000 },
        "values" => new GgufBytes { ValueCount = ulong.MaxValue },
        "text" => new GgufBytes().Value("t", GgufBytes.Text, (ulong)long.MaxValue),
        "list" => new GgufBytes().Value("l", GgufBytes.List, GgufBytes.UInt32, 1ul << 62),
        "nested" => new GgufBytes().Value("l", GgufBytes.List, GgufBytes.List, 1ul),
        "type" => new GgufBytes().Value("x", 99, 0ul),
        "twice" => new GgufBytes().Value("a", GgufBytes.UInt32, 1u).Value("a", GgufBytes.UInt32, 2u),
        "alignment" => new GgufBytes().Value("general.alignment", GgufBytes.UInt32, 24u),
        "dimensions" => new GgufBytes().Tensor("w", Float32, 0, 1, 1, 1, 1, 1),
        "overflow" => new GgufBytes().Tensor("w", Float32, 0, 1ul << 32, 1ul << 32),
        "empty" => new GgufBytes().Tensor("w", Float32, 0, 0),
        "format" => new GgufBytes().Tensor("w", 17, 0, 256),
        "block" => new GgufBytes().Tensor("w", Q8, 0, 31),
        "gap" => new GgufBytes { Data = 96 }.Tensor("w", Float32, 0, 8).Tensor("v", Float32, 64, 8),
        "again" => new GgufBytes { Data = 96 }.Tensor("w", Float32, 0, 8).Tensor("w", Float32, 32, 8),
        "beyond" => new GgufBytes { Data = 39 }.Tensor("w", Float32, 0, 10),
        "offset" => new GgufBytes { Data = 64 }.Tensor("w", Float32, ulong.MaxValue - 31, 8),
        _ => throw new ArgumentOutOfRangeException(nameof(lie), lie, null),
    };

    private GgufFile Open(GgufBytes content)
    {
        File.WriteAllBytes(folder.File("m.gguf"), content.Build());
        return GgufFile.Open(folder.File("m.gguf"));
    }
}
