using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using AiFabric.Pretraining.Corpus;
using AiFabric.Pretraining.Evaluation;
using Xunit;

namespace AiFabric.Engine.Tests.Pretraining;

public sealed class CorpusTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Lines_of_a_paragraph_become_one_and_headings_go() =>
        Assert.Equal(
            "Call me Ishmael. Some years ago--never mind how long--I went.\n\n\"It's so,\" said he.",
            PlainText.Clean(["CHAPTER 1. Loomings.", "", "Call me Ishmael. Some years", "ago\u2014never _mind_ how long -- I  went.", "", "", "\u201cIt\u2019s so,\u201d said he."]));

    [Fact]
    public void Applause_is_no_speech() =>
        Assert.Equal("We will. And we must.", PlainText.Clean(["We will. (Applause.) And we must. [Laughter and applause.]"]));

    [Fact]
    public void Character_vectors_of_an_R_package_are_read()
    {
        byte[] novel = Deflate(Serialize(Strings("CHAPTER I", "caf\u00e9")));
        byte[] data = [0, 0, 0, 99, .. novel];
        byte[] place = [.. Int(13), .. Int(2), .. Int(0), .. Int(data.Length)];
        byte[] variables = Named([place], "emma");
        File.WriteAllBytes(folder.File("Rdata.rdb"), data);
        File.WriteAllBytes(folder.File("Rdata.rdx"), GZip(Serialize(Named([variables, Strings("x")], "variables", "references"))));

        var texts = RDatabase.ReadTexts(folder.Path);

        Assert.Equal(["CHAPTER I", "caf\u00e9"], texts["emma"]);
    }

    [Fact]
    public void Untrained_byte_model_needs_eight_bits_a_byte() => Assert.Equal(24, new ByteNGram(5).Bits("abc"u8), 1e-9);

    [Fact]
    public void Byte_model_spreads_exactly_one_over_the_next_byte()
    {
        var model = new ByteNGram(3);
        model.Add("the cat sat on the mat"u8);
        double context = model.Bits("the "u8);

        double sum = Enumerable.Range(0, 256).Sum(b => Math.Pow(2, context - model.Bits([.. "the "u8, (byte)b])));

        Assert.Equal(1, sum, 1e-9);
        Assert.True(model.Bits("the cat"u8) < model.Bits("the dog"u8));
    }

    // What R writes: version 3, native encoding UTF-8; a list is type 19 with a pairlist (2) of attributes whose tag is the symbol (1) names.
    private static byte[] Serialize(byte[] value) => [.. "X\n"u8, .. Int(3), .. Int(0x40201), .. Int(0x30500), .. Int(5), .. "UTF-8"u8, .. value];

    private static byte[] Named(byte[][] items, params string[] names) =>
        [.. Int(19 | 0x200), .. Int(items.Length), .. items.SelectMany(i => i), .. Int(2 | 0x400), .. Int(1), .. Characters("names"), .. Strings(names), .. Int(254)];

    private static byte[] Strings(params string[] values) => [.. Int(16), .. Int(values.Length), .. values.SelectMany(Characters)];

    private static byte[] Characters(string value) => [.. Int(9), .. Int(Encoding.UTF8.GetByteCount(value)), .. Encoding.UTF8.GetBytes(value)];

    private static byte[] Int(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] Deflate(byte[] bytes) => Compress(bytes, stream => new ZLibStream(stream, CompressionLevel.Optimal));

    private static byte[] GZip(byte[] bytes) => Compress(bytes, stream => new GZipStream(stream, CompressionLevel.Optimal));

    private static byte[] Compress(byte[] bytes, Func<Stream, Stream> open)
    {
        using var target = new MemoryStream();
        using (var stream = open(target))
            stream.Write(bytes);
        return target.ToArray();
    }
}
