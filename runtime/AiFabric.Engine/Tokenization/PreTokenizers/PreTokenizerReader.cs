using System.Text;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization.PreTokenizers;

/// <summary>Reads the <c>pre_tokenizer</c> of <c>tokenizer.json</c>.</summary>
internal static class PreTokenizerReader
{
    /// <summary>How GPT-2 cuts text into words; ByteLevel pre-tokenizers use it by default.</summary>
    private const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <exception cref="CheckpointException">It is of a kind that is not supported, or malformed.</exception>
    public static PreTokenizer Read(JsonPart json)
    {
        switch (json.Type)
        {
            case "Sequence":
                json.Only("pretokenizers");
                return Sequence([.. json.Items("pretokenizers").Select(Read)]);
            case "ByteLevel":
                return ReadByteLevel(json);
            case "Split":
                return ReadSplit(json);
            case "Metaspace":
                return Metaspace.ReadPreTokenizer(json);
            case "Whitespace":
                return CharacterSplits.Words;
            case "WhitespaceSplit":
                return CharacterSplits.By(Rune.IsWhiteSpace, SplitBehavior.Removed);
            case "Punctuation":
                json.Only("behavior");
                return CharacterSplits.By(CharacterSplits.IsPunctuation, Behavior(json, "Isolated"));
            case "Digits":
                json.Only("individual_digits");
                return CharacterSplits.By(Rune.IsNumber, json.Flag("individual_digits", false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous);
            case "BertPreTokenizer":
                return Sequence([CharacterSplits.By(Rune.IsWhiteSpace, SplitBehavior.Removed), CharacterSplits.By(CharacterSplits.IsPunctuation, SplitBehavior.Isolated)]);
            case "CharDelimiterSplit":
                json.Only("delimiter");
                char delimiter = json.Character("delimiter", ' ');
                return CharacterSplits.By(rune => rune.Value == delimiter, SplitBehavior.Removed);
            default:
                throw json.Refuse($"the pre_tokenizer '{json.Type}' is not supported");
        }
    }

    private static PreTokenizer Sequence(PreTokenizer[] steps) => (piece, output) =>
    {
        List<Piece> pieces = [piece];
        foreach (var step in steps)
        {
            var smaller = new List<Piece>(pieces.Count);
            foreach (var part in pieces)
                step(part, smaller);
            pieces = smaller;
        }
        output.AddRange(pieces);
    };

    private static PreTokenizer ReadByteLevel(JsonPart json)
    {
        json.Only("add_prefix_space", "trim_offsets", "use_regex");
        bool prefix = json.Flag("add_prefix_space", true);
        var words = json.Flag("use_regex", true) ? TextPattern.OfRegex(Gpt2Pattern, json.At) : null;
        return (piece, output) =>
        {
            if (prefix && piece.Before != Before.Text && !piece.Text.StartsWith(' '))
                piece = piece with { Text = " " + piece.Text };
            int first = output.Count;
            if (words is null)
                output.Add(piece);
            else
                Splitter.Split(piece, words.Find(piece.Text), SplitBehavior.Isolated, invert: false, output);
            for (int i = first; i < output.Count; i++)
                output[i] = output[i] with { Text = ByteAlphabet.Spell(Encoding.UTF8.GetBytes(output[i].Text)) };
        };
    }

    private static PreTokenizer ReadSplit(JsonPart json)
    {
        json.Only("pattern", "behavior", "invert");
        var pattern = TextPattern.Read(json.Get("pattern"));
        var behavior = Behavior(json, null);
        bool invert = json.Flag("invert", false);
        return (piece, output) => Splitter.Split(piece, pattern.Find(piece.Text), behavior, invert, output);
    }

    private static SplitBehavior Behavior(JsonPart json, string? absent)
    {
        string name = absent is null ? json.Text("behavior") : json.Text("behavior", absent);
        return Enum.IsDefined(typeof(SplitBehavior), name) ? Enum.Parse<SplitBehavior>(name) : throw json.Refuse($"the behavior '{name}' is not supported");
    }
}
