using System.Text.Json;

namespace AiFabric.Engine.Tokenization.Models;

/// <summary>
/// Byte-pair encoding, both over bytes in their alphabet (GPT-2, Llama 3, Qwen) and over characters with byte tokens for those that have none
/// (SentencePiece's kind: Llama 2, Gemma). A piece of n characters takes O(n log n).
/// </summary>
/// <remarks>Source: Sennrich et al., arXiv 1508.07909; Hugging Face tokenizers, <c>models/bpe</c>.</remarks>
internal sealed class BpeModel : TokenModel
{
    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> merges;
    private readonly int[]? byteIds;
    private readonly bool fuseUnknown;
    private readonly bool ignoreMerges;

    private BpeModel(JsonPart json, Dictionary<string, int> vocabulary)
        : base(vocabulary)
    {
        merges = ReadMerges(json, vocabulary);
        UnknownId = IdOf(json, vocabulary, "unk_token");
        byteIds = json.Flag("byte_fallback", false) ? ByteIds(vocabulary) : null;
        fuseUnknown = json.Flag("fuse_unk", false);
        ignoreMerges = json.Flag("ignore_merges", false);
    }

    public static new BpeModel Read(JsonPart json)
    {
        json.Only(
            "vocab", "merges", "unk_token", "byte_fallback", "fuse_unk", "ignore_merges", "dropout", "continuing_subword_prefix", "end_of_word_suffix", "cache_capacity");
        foreach (string option in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (json.Text(option, "").Length > 0)
                throw json.Get(option).Refuse("is not supported; leave it out");
        }
        if (json.Find("dropout") is { } dropout && dropout.Element.GetRawText() is not ("0" or "0.0"))
            throw dropout.Refuse("is not supported; leave it out");
        return new BpeModel(json, ReadVocabulary(json));
    }

    public override void Encode(string piece, List<int> ids)
    {
        if (ignoreMerges && Vocabulary.TryGetValue(piece, out int whole))
        {
            ids.Add(whole);
            return;
        }
        var symbols = new List<int>(piece.Length);
        ReadSymbols(piece, symbols);
        if (symbols.Count < 2)
            ids.AddRange(symbols);
        else
            Merge([.. symbols], ids);
    }

    // One symbol for each character, several for one spelled in bytes, one or none for what has no token.
    private void ReadSymbols(string piece, List<int> symbols)
    {
        var lookup = Vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        bool unknown = false;
        for (int i = 0, length; i < piece.Length; i += length)
        {
            length = i + 1 < piece.Length && char.IsSurrogatePair(piece[i], piece[i + 1]) ? 2 : 1;
            var character = piece.AsSpan(i, length);
            if (lookup.TryGetValue(character, out int id))
            {
                symbols.Add(id);
                unknown = false;
            }
            else if (byteIds is not null && TrySpell(character, byteIds, symbols))
            {
                unknown = false;
            }
            else if (UnknownId is { } stranger && !(unknown && fuseUnknown))
            {
                symbols.Add(stranger);
                unknown = true;
            }
        }
    }

    // (1) Queue every neighbouring pair that has a merge. (2) Take the first-ranked, leftmost among equals; skip it if an earlier merge took one of its
    // symbols. (3) Join it into the left symbol, and queue the pairs it now forms with its neighbours.
    private void Merge(int[] symbols, List<int> ids)
    {
        int count = symbols.Length;
        var next = new int[count];
        var previous = new int[count];
        var queue = new PriorityQueue<(int At, int Left, int Right), (int Rank, int At)>();
        for (int i = 0; i < count; i++)
        {
            (previous[i], next[i]) = (i - 1, i + 1 < count ? i + 1 : -1);
            if (i > 0)
                Queue(i - 1, i);
        }
        while (queue.TryDequeue(out var pair, out _))
        {
            int right = next[pair.At];
            if (right < 0 || symbols[pair.At] != pair.Left || symbols[right] != pair.Right)
                continue;
            symbols[pair.At] = merges[(pair.Left, pair.Right)].Id;
            symbols[right] = -1;
            next[pair.At] = next[right];
            if (next[right] >= 0)
            {
                previous[next[right]] = pair.At;
                Queue(pair.At, next[right]);
            }
            next[right] = -1;
            if (previous[pair.At] >= 0)
                Queue(previous[pair.At], pair.At);
        }
        for (int i = 0; i >= 0; i = next[i])
            ids.Add(symbols[i]);

        void Queue(int left, int right)
        {
            if (merges.TryGetValue((symbols[left], symbols[right]), out var merge))
                queue.Enqueue((left, symbols[left], symbols[right]), (merge.Rank, left));
        }
    }

    private static Dictionary<(int, int), (int Rank, int Id)> ReadMerges(JsonPart json, Dictionary<string, int> vocabulary)
    {
        var part = json.Get("merges");
        if (part.Element.ValueKind != JsonValueKind.Array)
            throw part.Refuse("is no list");
        var merges = new Dictionary<(int, int), (int, int)>(part.Element.GetArrayLength());
        int rank = 0;
        foreach (var merge in part.Element.EnumerateArray())
        {
            var (left, right) = ReadMerge(merge, part);
            if (!vocabulary.TryGetValue(left, out int a) || !vocabulary.TryGetValue(right, out int b) || !vocabulary.TryGetValue(left + right, out int whole))
                throw part.Refuse($"{merge.GetRawText()} has a part or a result that is not in the vocabulary");
            merges[(a, b)] = (rank++, whole);
        }
        return merges;
    }

    // Older files write a merge as "a b", newer ones as ["a", "b"].
    private static (string Left, string Right) ReadMerge(JsonElement merge, JsonPart part)
    {
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2 && merge[0].ValueKind == JsonValueKind.String && merge[1].ValueKind == JsonValueKind.String)
            return (merge[0].GetString() ?? "", merge[1].GetString() ?? "");
        string[] parts = merge.ValueKind == JsonValueKind.String ? (merge.GetString() ?? "").Split(' ') : [];
        return parts.Length == 2 ? (parts[0], parts[1]) : throw part.Refuse($"{merge.GetRawText()} is no merge of two parts");
    }
}
