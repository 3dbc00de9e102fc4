using System.Globalization;
using System.Text;
using AiFabric.Engine.Tokenization.PreTokenizers;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization.Decoders;

/// <summary>
/// What the <c>decoder</c> of <c>tokenizer.json</c> makes of tokens, split into the two parts that streaming and token masks need: the bytes that a token
/// stands for in the middle of a text, whatever stands around it, and how many spaces fall away where a text begins.
/// </summary>
internal sealed class TokenDecoder
{
    private readonly List<Func<string, string>> steps = [];
    private bool byteLevel;
    private bool byteTokens;
    private bool fused;

    private TokenDecoder()
    {
    }

    /// <summary>Spaces that are left out at the start of a text.</summary>
    public int LeadingSpaces { get; private set; }

    /// <param name="json">The decoder; null where the file has none.</param>
    /// <param name="byteAlphabet">Whether the vocabulary spells bytes (ByteLevel).</param>
    /// <exception cref="CheckpointException">It is of a kind that is not supported, or malformed.</exception>
    public static TokenDecoder Read(JsonPart? json, bool byteAlphabet)
    {
        var decoder = new TokenDecoder();
        if (json is { } part)
            decoder.Add(part);
        else if (byteAlphabet)
            decoder.byteLevel = true;
        else
            decoder.AddWords("", cleanup: false);
        return decoder;
    }

    /// <summary>The bytes of a token in the middle of a text.</summary>
    /// <param name="token">Its spelling in the vocabulary.</param>
    /// <param name="added">Whether it is an added token, which is not spelled in the alphabet of bytes.</param>
    public byte[] Bytes(string token, bool added)
    {
        if (byteLevel)
            return !added && ByteAlphabet.TryParse(token, out byte[] bytes) ? bytes : Encoding.UTF8.GetBytes(token);
        if (byteTokens && token is ['<', '0', 'x', _, _, '>'] && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
            return [value];
        foreach (var step in steps)
            token = step(token);
        return Encoding.UTF8.GetBytes(token);
    }

    private void Add(JsonPart json)
    {
        if (byteLevel)
            throw json.Refuse("a decoder after ByteLevel is not supported");
        switch (json.Type)
        {
            case "Sequence":
                json.Only("decoders");
                foreach (var step in json.Items("decoders"))
                    Add(step);
                break;
            case "ByteLevel":
                json.Only("add_prefix_space", "trim_offsets", "use_regex");
                byteLevel = steps.Count == 0 && !byteTokens ? true : throw json.Refuse("ByteLevel after another decoder is not supported");
                break;
            case "ByteFallback":
                json.Only();
                byteTokens = true;
                break;
            case "Fuse":
                json.Only();
                fused = true;
                break;
            case "Strip":
                AddStrip(json);
                break;
            case "Replace":
                RequireUnfused(json);
                json.Only("pattern", "content");
                var pattern = TextPattern.Read(json.Get("pattern"));
                string content = json.Text("content");
                steps.Add(token => pattern.Replace(token, content));
                break;
            case "Metaspace":
                RequireUnfused(json);
                var (replacement, scheme) = Metaspace.Read(json);
                steps.Add(token => token.Replace(replacement, ' '));
                LeadingSpaces = scheme == "never" ? 0 : 1;
                break;
            case "WordPiece":
                RequireUnfused(json);
                json.Only("prefix", "cleanup");
                AddWords(json.Text("prefix", "##"), json.Flag("cleanup", true));
                break;
            default:
                throw json.Refuse($"the decoder '{json.Type}' is not supported");
        }
    }

    // Before Fuse every token is stripped; after it the whole text, whose end is not known while it is streamed.
    private void AddStrip(JsonPart json)
    {
        json.Only("content", "start", "stop");
        char content = json.Character("content", ' ');
        int start = json.Integer("start", 0), stop = json.Integer("stop", 0);
        if (!fused)
        {
            steps.Add(token => Strip(token, content, start, stop));
            return;
        }
        if (content != ' ' || stop != 0 || start < 0)
            throw json.Refuse("only spaces at the start can be stripped after Fuse");
        LeadingSpaces = start;
    }

    private static string Strip(string token, char content, int start, int stop)
    {
        int from = 0, to = token.Length;
        while (from < to && from < start && token[from] == content)
            from++;
        while (to > from && token.Length - to < stop && token[to - 1] == content)
            to--;
        return token[from..to];
    }

    // A token begins a word, which a space sets off, unless it has the prefix of those that go on with one.
    private void AddWords(string prefix, bool cleanup)
    {
        LeadingSpaces = 1;
        steps.Add(token => prefix.Length > 0 && token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token);
        if (!cleanup)
            return;
        // As Hugging Face cleans up English.
        (string, string)[] joined =
        [
            (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
        ];
        steps.Add(token => joined.Aggregate(token, (text, pair) => text.Replace(pair.Item1, pair.Item2, StringComparison.Ordinal)));
    }

    private void RequireUnfused(JsonPart json)
    {
        if (fused)
            throw json.Refuse($"the decoder '{json.Type}' after Fuse is not supported");
    }
}
