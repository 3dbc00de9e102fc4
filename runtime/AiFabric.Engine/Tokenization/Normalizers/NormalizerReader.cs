using System.Text;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization.Normalizers;

/// <summary>Changes text before words are cut.</summary>
/// <param name="text">The text.</param>
/// <param name="continues">Whether it goes on from text that is encoded apart: then nothing is put before it or taken from its start.</param>
internal delegate string Normalizer(string text, bool continues);

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
                return (text, continues) => all.Aggregate(text, (changed, step) => step(changed, continues));
            case "NFC":
                return Anywhere(UnicodeNormalization.ToNfc);
            case "NFD":
                return Anywhere(UnicodeNormalization.ToNfd);
            case "NFKC":
                return Anywhere(UnicodeNormalization.ToNfkc);
            case "NFKD":
                return Anywhere(UnicodeNormalization.ToNfkd);
            case "Lowercase":
                return Anywhere(CharacterNormalizers.Lowercase);
            case "StripAccents":
                return Anywhere(CharacterNormalizers.StripMarks);
            case "Nmt":
                return Anywhere(CharacterNormalizers.Nmt);
            case "Strip":
                return ReadStrip(json);
            case "Prepend":
                json.Only("prepend");
                string prefix = json.Text("prepend");
                return (text, continues) => continues || text.Length == 0 ? text : prefix + text;
            case "Replace":
                json.Only("pattern", "content");
                var pattern = TextPattern.Read(json.Get("pattern"));
                string content = json.Text("content");
                return Anywhere(text => pattern.Replace(text, content));
            case "ByteLevel":
                return Anywhere(text => ByteAlphabet.Spell(Encoding.UTF8.GetBytes(text)));
            case "BertNormalizer":
                return Anywhere(BertNormalizer.Read(json));
            case "Precompiled":
                return Anywhere(new PrecompiledNormalizer(json).Apply);
            default:
                throw json.Refuse($"the normalizer '{json.Type}' is not supported");
        }
    }

    private static Normalizer Anywhere(Func<string, string> change) => (text, _) => change(text);

    private static Normalizer ReadStrip(JsonPart json)
    {
        json.Only("strip_left", "strip_right");
        bool left = json.Flag("strip_left", true), right = json.Flag("strip_right", true);
        return (text, continues) => (left && !continues, right) switch
        {
            (true, true) => text.Trim(),
            (true, false) => text.TrimStart(),
            (false, true) => text.TrimEnd(),
            _ => text,
        };
    }
}
