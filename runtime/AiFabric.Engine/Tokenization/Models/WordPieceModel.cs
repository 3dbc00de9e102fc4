using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization.Models;

/// <summary>BERT's model: from the left the longest token each time; a word that cannot be spelled so is one unknown token.</summary>
/// <remarks>Source: Hugging Face tokenizers, <c>models/wordpiece</c>.</remarks>
internal sealed class WordPieceModel : TokenModel
{
    private readonly string prefix;
    private readonly int longestWord;
    private readonly int unknown;

    private WordPieceModel(JsonPart json, Dictionary<string, int> vocabulary)
        : base(vocabulary)
    {
        unknown = IdOf(json, vocabulary, "unk_token") ?? throw json.Refuse("has no 'unk_token'");
        UnknownId = unknown;
        prefix = json.Text("continuing_subword_prefix", "##");
        longestWord = json.Integer("max_input_chars_per_word", 100);
    }

    /// <exception cref="CheckpointException">It is malformed.</exception>
    public static new WordPieceModel Read(JsonPart json)
    {
        json.Only("vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word");
        return new WordPieceModel(json, ReadVocabulary(json));
    }

    public override void Encode(string piece, List<int> ids)
    {
        int before = ids.Count;
        if (piece.EnumerateRunes().Count() <= longestWord && TrySpell(piece, ids))
            return;
        ids.RemoveRange(before, ids.Count - before);
        ids.Add(unknown);
    }

    private bool TrySpell(string piece, List<int> ids)
    {
        for (int start = 0, end; start < piece.Length; start = end)
        {
            int id = 0;
            end = piece.Length;
            while (end > start && !Vocabulary.TryGetValue((start > 0 ? prefix : "") + piece[start..end], out id))
                end--;
            if (end == start)
                return false;
            ids.Add(id);
        }
        return true;
    }
}
