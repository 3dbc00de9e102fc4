using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace AiFabric.Pretraining.Corpus;

/// <summary>Reads the character vectors of an R package's lazy-load database (<c>Rdata.rdb</c> with its index <c>Rdata.rdx</c>).</summary>
/// <remarks>Source: R Internals, "Serialization Formats" (XDR, version 3) and lazyload's layout: each object is 4 bytes of length, then zlib.</remarks>
internal static class RDatabase
{
    /// <summary>Every variable that is a character vector, in the index's order.</summary>
    /// <exception cref="InvalidDataException">The files are not such a database.</exception>
    public static IReadOnlyDictionary<string, string[]> ReadTexts(string folder)
    {
        byte[] data = File.ReadAllBytes(Path.Combine(folder, "Rdata.rdb"));
        using var index = new GZipStream(File.OpenRead(Path.Combine(folder, "Rdata.rdx")), CompressionMode.Decompress);
        var root = (RList)new RReader(ReadAll(index)).Read();
        var variables = (RList)root["variables"];
        var texts = new Dictionary<string, string[]>();
        foreach (string name in variables.Names)
        {
            var place = (int[])variables[name];
            const int lengthBytes = 4;
            using var object_ = new ZLibStream(new MemoryStream(data, place[0] + lengthBytes, place[1] - lengthBytes), CompressionMode.Decompress);
            if (new RReader(ReadAll(object_)).Read() is string[] lines)
                texts.Add(name, lines);
        }
        return texts;
    }

    private static byte[] ReadAll(Stream stream)
    {
        using var all = new MemoryStream();
        stream.CopyTo(all);
        return all.ToArray();
    }

    private sealed record RList(object?[] Items)
    {
        public string[] Names { get; set; } = [];

        public object this[string name] => Items[Array.IndexOf(Names, name)] ?? throw new InvalidDataException($"R list entry '{name}' is null.");
    }

    private sealed class RReader
    {
        private readonly byte[] bytes;
        private readonly List<string> symbols = [];
        private int at;

        public RReader(byte[] bytes)
        {
            if (!bytes.AsSpan().StartsWith("X\n"u8))
                throw new InvalidDataException("Not R's XDR serialization.");
            this.bytes = bytes;
            at = 2;
            int version = Int();
            at += 8; // The versions that wrote it and that can read it.
            if (version == 3)
            {
                int encodingBytes = Int();
                at += encodingBytes; // The native encoding's name: every text here says its own.
            }
        }

        public object Read()
        {
            int flags = Int();
            bool hasAttributes = (flags & 0x200) != 0;
            bool hasTag = (flags & 0x400) != 0;
            object value = (flags & 0xff) switch
            {
                254 => "",
                255 => symbols[(flags >> 8) - 1],
                1 => Symbol(),
                2 => Pair(hasAttributes, hasTag),
                9 => Characters(),
                10 or 13 => Vector(_ => Int()),
                16 => Vector(_ => (string)Read()),
                19 => new RList(Vector<object?>(_ => Read())),
                var other => throw new InvalidDataException($"R object of type {other} is not read here."),
            };
            if (hasAttributes && (flags & 0xff) != 2)
            {
                foreach (var (tag, attribute) in (List<(string Tag, object Value)>)Read())
                {
                    if (value is RList list && tag == "names")
                        list.Names = (string[])attribute;
                }
            }
            return value;
        }

        private List<(string Tag, object Value)> Pair(bool hasAttributes, bool hasTag)
        {
            if (hasAttributes)
                Read();
            string tag = hasTag ? (string)Read() : "";
            var pairs = new List<(string, object)> { (tag, Read()) };
            if (Read() is List<(string, object)> rest)
                pairs.AddRange(rest);
            return pairs;
        }

        private string Symbol()
        {
            symbols.Add((string)Read());
            return symbols[^1];
        }

        private string Characters()
        {
            int length = Int();
            if (length < 0)
                return ""; // NA
            at += length;
            return Encoding.UTF8.GetString(bytes, at - length, length);
        }

        private T[] Vector<T>(Func<int, T> read)
        {
            var items = new T[Int()];
            for (int i = 0; i < items.Length; i++)
                items[i] = read(i);
            return items;
        }

        private int Int()
        {
            at += 4;
            return BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at - 4));
        }
    }
}
