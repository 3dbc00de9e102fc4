using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization.Models;

/// <summary>Turns pieces of text into ids. Thread safe.</summary>
internal abstract class TokenModel
{
    /// <summary>Ids lie below this, ten times the largest vocabularies: tables are as long as the largest id.</summary>
    public const int MostTokens = 1 << 22;

    private const int BytesOfOneCharacter = 4;

    protected TokenModel(Dictionary<string, int> vocabulary) => Vocabulary = vocabulary;

    /// <summary>Ids by the spelling of their tokens.</summary>
    public Dictionary<string, int> Vocabulary { get; }

    /// <summary>The token of what no other token spells.</summary>
    public int? UnknownId { get; protected init; }

    /// <summary>Appends the ids of a piece.</summary>
    public abstract void Encode(string piece, List<int> ids);

    /// <summary>Says which tokens are control marks: text that spells one out becomes other tokens.</summary>
    public virtual void Withhold(IReadOnlySet<int> marks)
    {
    }

    /// <exception cref="CheckpointException">It is of a kind that is not supported, or malformed.</exception>
    public static TokenModel Read(JsonPart json) => json.Text("type", "BPE") switch
    {
        "BPE" => BpeModel.Read(json),
        "Unigram" => UnigramModel.Read(json),
        "WordPiece" => WordPieceModel.Read(json),
        var other => throw json.Refuse($"the model '{other}' is not supported; BPE, Unigram and WordPiece are"),
    };

    protected static Dictionary<string, int> ReadVocabulary(JsonPart json)
    {
        var part = json.Get("vocab");
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        if (part.Element.ValueKind != System.Text.Json.JsonValueKind.Object)
            throw part.Refuse("is no mapping of tokens to ids");
        foreach (var entry in part.Element.EnumerateObject())
        {
            if (entry.Value.ValueKind != System.Text.Json.JsonValueKind.Number || !entry.Value.TryGetInt32(out int id) || id is < 0 or >= MostTokens)
                throw part.Refuse($"gives the token '{entry.Name}' the id {entry.Value.GetRawText()}; ids from 0 to {MostTokens - 1} are supported");
            vocabulary[entry.Name] = id;
        }
        return vocabulary;
    }

    protected static int? IdOf(JsonPart json, Dictionary<string, int> vocabulary, string name)
    {
        if (json.Find(name) is null || json.Text(name) is not { Length: > 0 } token)
            return null;
        return vocabulary.TryGetValue(token, out int id) ? id : throw json.Get(name).Refuse($"'{token}' is not in the vocabulary");
    }

    /// <summary>The ids of the tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>, -1 where there is none.</summary>
    protected static int[] ByteIds(Dictionary<string, int> vocabulary) =>
        [.. Enumerable.Range(0, 256).Select(b => vocabulary.GetValueOrDefault($"<0x{b:X2}>", -1))];

    /// <summary>Spells text in byte tokens.</summary>
    /// <returns>False, and nothing appended, when one of the bytes has no token.</returns>
    protected static bool TrySpell(ReadOnlySpan<char> text, int[] byteIds, List<int> ids)
    {
        int count = ids.Count;
        Span<byte> bytes = stackalloc byte[BytesOfOneCharacter];
        foreach (var rune in text.EnumerateRunes())
        {
            foreach (byte b in bytes[..rune.EncodeToUtf8(bytes)])
            {
                if (byteIds[b] < 0)
                {
                    ids.RemoveRange(count, ids.Count - count);
                    return false;
                }
                ids.Add(byteIds[b]);
            }
        }
        return true;
    }
}
