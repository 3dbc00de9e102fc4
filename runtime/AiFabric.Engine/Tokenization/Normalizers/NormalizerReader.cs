using System.Text;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization.Normalizers;

/// <summary>Changes text before words are cut.</summary>
internal delegate string Normalizer(string text);

/// <summary>Reads the <c>normalizer</c> of <c>tokenizer.json</c>.</summary>
internal static class NormalizerReader
{
    /// <exception cref="CheckpointException">It is of a kind that is not supported, or malformed.</exception>
    public static Normalizer Read(JsonPart json)
    {
        switch (json.Type)
        {
            case "Sequence":
                json.Only("normalizers");
                Normalizer[] all = [.. json.Items("normalizers").Select(Read)];
                return text => all.Aggregate(text, (changed, step) => step(changed));
            case "NFC":
                return UnicodeNormalization.ToNfc;
            case "NFD":
                return UnicodeNormalization.ToNfd;
            case "NFKC":
                return UnicodeNormalization.ToNfkc;
            case "NFKD":
                return UnicodeNormalization.ToNfkd;
            case "Lowercase":
                return CharacterNormalizers.Lowercase;
            case "StripAccents":
                return CharacterNormalizers.StripMarks;
            case "Nmt":
                return CharacterNormalizers.Nmt;
            case "Strip":
                return ReadStrip(json);
            case "Prepend":
                json.Only("prepend");
                string prefix = json.Text("prepend");
                return text => text.Length == 0 ? text : prefix + text;
            case "Replace":
                json.Only("pattern", "content");
                var pattern = TextPattern.Read(json.Get("pattern"));
                string content = json.Text("content");
                return text => pattern.Replace(text, content);
            case "ByteLevel":
                return text => ByteAlphabet.Spell(Encoding.UTF8.GetBytes(text));
            case "BertNormalizer":
                return BertNormalizer.Read(json);
            case "Precompiled":
                return new PrecompiledNormalizer(json).Apply;
            default:
                throw json.Refuse($"the normalizer '{json.Type}' is not supported");
        }
    }

    private static Normalizer ReadStrip(JsonPart json)
    {
        json.Only("strip_left", "strip_right");
        bool left = json.Flag("strip_left", true), right = json.Flag("strip_right", true);
        return text => (left, right) switch
        {
            (true, true) => text.Trim(),
            (true, false) => text.TrimStart(),
            (false, true) => text.TrimEnd(),
            _ => text,
        };
    }
}
