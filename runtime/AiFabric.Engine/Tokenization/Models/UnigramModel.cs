using System.Text.Json;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization.Models;

/// <summary>SentencePiece's unigram model: of all ways to cut a piece into tokens the one with the largest sum of log probabilities (Viterbi).</summary>
/// <remarks>Source: Kudo, arXiv 1804.10959; Hugging Face tokenizers, <c>models/unigram</c>, whose unknown characters count 10 below the least likely token.</remarks>
internal sealed class UnigramModel : TokenModel
{
    private const double UnknownPenalty = 10;

    private readonly string[] sorted;
    private readonly int[] sortedIds;
    private readonly double[] scores;
    private readonly double unknownScore;
    private readonly int[]? byteIds;
    private IReadOnlySet<int> withheld = new HashSet<int>();

    /// <param name="pieces">The tokens in the order of their ids, with their log probabilities.</param>
    /// <param name="unknownId">The token of characters that have none; null when all have.</param>
    /// <param name="byteFallback">Whether such characters are spelled in byte tokens where these are there.</param>
    public UnigramModel(IReadOnlyList<(string Text, double Score)> pieces, int? unknownId, bool byteFallback)
        : base(ByText(pieces))
    {
        var order = Vocabulary.Where(entry => entry.Key.Length > 0).OrderBy(entry => entry.Key, StringComparer.Ordinal).ToList();
        sorted = [.. order.Select(entry => entry.Key)];
        sortedIds = [.. order.Select(entry => entry.Value)];
        scores = [.. pieces.Select(piece => piece.Score)];
        unknownScore = scores.DefaultIfEmpty(0).Min() - UnknownPenalty;
        UnknownId = unknownId;
        byteIds = byteFallback ? ByteIds(Vocabulary) : null;
    }

    /// <exception cref="CheckpointException">It is malformed.</exception>
    public static new UnigramModel Read(JsonPart json)
    {
        json.Only("vocab", "unk_id", "byte_fallback");
        var part = json.Get("vocab");
        if (part.Element.ValueKind != JsonValueKind.Array || part.Element.GetArrayLength() is 0 or > MostTokens)
            throw part.Refuse($"is no list of 1 to {MostTokens} tokens");
        var pieces = new List<(string, double)>(part.Element.GetArrayLength());
        foreach (var entry in part.Element.EnumerateArray())
        {
            if (entry.ValueKind != JsonValueKind.Array || entry.GetArrayLength() != 2 || entry[0].ValueKind != JsonValueKind.String || entry[1].ValueKind != JsonValueKind.Number
                || !double.IsFinite(entry[1].GetDouble()))
            {
                throw part.Refuse($"{entry.GetRawText()} is no token with its log probability");
            }
            pieces.Add((entry[0].GetString() ?? "", entry[1].GetDouble()));
        }
        int? unknown = json.Has("unk_id") ? json.Integer("unk_id", 0) : null;
        if (unknown is { } id && (uint)id >= (uint)pieces.Count)
            throw json.Get("unk_id").Refuse($"is {id}, but there are {pieces.Count} tokens");
        return new UnigramModel(pieces, unknown, json.Flag("byte_fallback", false));
    }

    public override void Withhold(IReadOnlySet<int> marks) => withheld = marks;

    public override void Encode(string piece, List<int> ids)
    {
        var (starts, tokens) = BestCuts(piece);
        var cuts = new Stack<(int Start, int End, int Token)>();
        for (int end = piece.Length; end > 0; end = starts[end])
            cuts.Push((starts[end], end, tokens[end]));
        while (cuts.TryPop(out var cut))
        {
            if (cut.Token >= 0)
            {
                ids.Add(cut.Token);
                continue;
            }
            // Neighbouring characters without a token are one unknown.
            int end = cut.End;
            while (cuts.TryPeek(out var following) && following.Token < 0)
                end = cuts.Pop().End;
            AddUnknown(piece.AsSpan(cut.Start, end - cut.Start), ids);
        }
    }

    private void AddUnknown(ReadOnlySpan<char> text, List<int> ids)
    {
        if ((byteIds is null || !TrySpell(text, byteIds, ids)) && UnknownId is { } unknown)
            ids.Add(unknown);
    }

    // For every end the start and token (-1: unknown) of the last part of the best way to get there.
    private (int[] Starts, int[] Tokens) BestCuts(string piece)
    {
        var best = new double[piece.Length + 1];
        var starts = new int[piece.Length + 1];
        var tokens = new int[piece.Length + 1];
        Array.Fill(best, double.NegativeInfinity);
        best[0] = 0;
        for (int start = 0, length; start < piece.Length; start += length)
        {
            length = start + 1 < piece.Length && char.IsSurrogatePair(piece[start], piece[start + 1]) ? 2 : 1;
            bool known = false;
            int low = 0, high = sorted.Length;
            for (int end = start + 1; end <= piece.Length && Narrow(piece[end - 1], end - 1 - start, ref low, ref high); end++)
            {
                // Of the tokens that begin so, the one that ends here sorts first.
                if (sorted[low].Length != end - start)
                    continue;
                int token = sortedIds[low];
                if (withheld.Contains(token) && token != UnknownId)
                    continue;
                known |= end - start == length;
                Offer(start, end, token == UnknownId ? -1 : token, best[start] + scores[token]);
            }
            if (!known)
                Offer(start, start + length, -1, best[start] + unknownScore);
        }
        return (starts, tokens);

        void Offer(int start, int end, int token, double score)
        {
            if (score > best[end])
                (best[end], starts[end], tokens[end]) = (score, start, token);
        }
    }

    // Among sorted[low..high], whose first characters are alike, finds those that go on with a character.
    private bool Narrow(char character, int depth, ref int low, ref int high)
    {
        int from = Bound(character, depth, low, high);
        int to = Bound((char)(character + 1), depth, from, high);
        if (character == char.MaxValue)
            to = high;
        (low, high) = (from, to);
        return from < to;
    }

    // The first whose character at a depth is not below one; tokens that end before come first.
    private int Bound(char character, int depth, int low, int high)
    {
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sorted[middle].Length <= depth || sorted[middle][depth] < character)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    // Of two tokens spelled alike the later one counts, as in Hugging Face's.
    private static Dictionary<string, int> ByText(IReadOnlyList<(string Text, double Score)> pieces)
    {
        var vocabulary = new Dictionary<string, int>(pieces.Count, StringComparer.Ordinal);
        for (int id = 0; id < pieces.Count; id++)
            vocabulary[pieces[id].Text] = id;
        return vocabulary;
    }
}
