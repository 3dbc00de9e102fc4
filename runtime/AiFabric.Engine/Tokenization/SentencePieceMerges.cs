using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>Makes merges out of the scores of a SentencePiece vocabulary, as Hugging Face's converter does.</summary>
/// <remarks>SentencePiece joins the neighbours whose joint piece scores highest. BPE by ranks does the same when ranks follow the scores.</remarks>
internal static class SentencePieceMerges
{
    /// <summary>Longer than pieces are; bounds the work on a vocabulary that lies.</summary>
    private const int MostCharacters = 512;

    /// <param name="pieces">Ids by spelling.</param>
    /// <param name="joined">Which of them may come out of a merge, by id.</param>
    /// <param name="scores">By id.</param>
    /// <returns>Pairs of spellings, the first to be merged first.</returns>
    /// <exception cref="CheckpointException">A piece is longer than any tokenizer's.</exception>
    public static List<string[]> Of(Dictionary<string, int> pieces, Func<int, bool> joined, float[] scores)
    {
        var merges = new List<(string Piece, int Cut, int Id, int Left, int Right)>();
        var ids = pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var (piece, id) in pieces)
        {
            if (!joined(id))
                continue;
            if (piece.Length > MostCharacters)
                throw new CheckpointException($"The token {id} has {piece.Length} characters; at most {MostCharacters} are supported.");
            for (int cut = 1; cut < piece.Length; cut++)
            {
                if (ids.TryGetValue(piece.AsSpan(0, cut), out int left) && ids.TryGetValue(piece.AsSpan(cut), out int right))
                    merges.Add((piece, cut, id, left, right));
            }
        }
        return [.. merges.OrderByDescending(m => scores[m.Id]).ThenBy(m => m.Id).ThenBy(m => m.Left).ThenBy(m => m.Right).Select(m => (string[])[m.Piece[..m.Cut], m.Piece[m.Cut..]])];
    }
}
