using System.Text;
using AiFabric.Engine.Tokenization.Models;
using AiFabric.Engine.Tokenization.PreTokenizers;
using AiFabric.Engine.Tokenization.Templates;
using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Gguf;
using Microsoft.Extensions.Logging;

namespace AiFabric.Engine.Tokenization;

/// <summary>A tokenizer as a Hugging Face <c>tokenizer.json</c> defines it. Thread safe.</summary>
/// <remarks>
/// Control marks are looked for in the text as it is, before it is normalized, whatever their <c>normalized</c> says: only so is it certain who wrote them.
/// </remarks>
public sealed class HuggingFaceTokenizer
{
    private readonly TokenizerJson json;
    private readonly string source;
    private readonly byte[]?[] bytesById;
    private readonly HashSet<int> specials;
    private readonly AddedTokenFinder rawTokens;
    private readonly AddedTokenFinder? normalizedTokens;

    private HuggingFaceTokenizer(TokenizerJson json, TokenizerSettings settings, string source)
    {
        (this.json, this.source, Settings) = (json, source, settings);
        var added = AllAdded(json, settings);
        bytesById = ReadBytes(json, added, source);
        specials = [.. added.Where(t => t.Special).Select(t => t.Id)];
        json.Model.Withhold(specials);
        rawTokens = new AddedTokenFinder(added.Where(t => t.Special || !t.Normalized).Select(t => (t.Content, t)));
        AddedToken[] normalized = [.. added.Where(t => !t.Special && t.Normalized)];
        normalizedTokens = normalized.Length == 0 ? null : new AddedTokenFinder(normalized.Select(t => (Normalize(t.Content, continues: false), t)));
        BeginOfSequenceId = added.Find(t => t.Content == settings.BeginOfSequence)?.Id;
        EndOfSequenceId = added.Find(t => t.Content == settings.EndOfSequence)?.Id;
        OpeningIds = Marks(json.PostProcessor.Opening, settings.AddBeginOfSequence, BeginOfSequenceId);
        ClosingIds = Marks(json.PostProcessor.Closing, settings.AddEndOfSequence, EndOfSequenceId);
        foreach (int id in OpeningIds.Concat(ClosingIds))
        {
            if ((uint)id >= (uint)bytesById.Length || bytesById[id] is null)
                throw new CheckpointException($"{source}: post_processor names the token {id}, which does not exist.");
        }
    }

    /// <summary>One more than the largest id.</summary>
    public int VocabularySize => bytesById.Length;

    /// <summary>The ids of control marks, which are not text.</summary>
    public IReadOnlySet<int> SpecialIds => specials;

    /// <summary>The chat template and the marks that open and end a text.</summary>
    public TokenizerSettings Settings { get; }

    public int? BeginOfSequenceId { get; }

    public int? EndOfSequenceId { get; }

    /// <summary>
    /// The marks put before a text that no chat template has laid out: those of <c>post_processor</c>, unless <c>add_bos_token</c> says otherwise.
    /// </summary>
    public IReadOnlyList<int> OpeningIds { get; }

    /// <summary>The marks put after such a text: those of <c>post_processor</c>, unless <c>add_eos_token</c> says otherwise.</summary>
    public IReadOnlyList<int> ClosingIds { get; }

    /// <summary>Spaces that fall away where a decoded text begins.</summary>
    internal int LeadingSpaces => json.Decoder.LeadingSpaces;

    /// <summary>
    /// Reads <c>tokenizer.json</c> and, where there are any, <c>tokenizer_config.json</c> and <c>chat_template.jinja</c> of a model folder. Where the
    /// weights are a GGUF file with no <c>tokenizer.json</c> beside it, its metadata say what these would.
    /// </summary>
    /// <exception cref="CheckpointException">A file is missing, malformed, or uses what is not supported.</exception>
    public static HuggingFaceTokenizer Load(string folder)
    {
        string? weights = GgufPath.Of(folder);
        string beside = weights is null ? folder : Path.GetDirectoryName(Path.GetFullPath(weights)) ?? folder;
        string path = Path.Combine(beside, "tokenizer.json");
        if (weights is null || File.Exists(path))
            return new HuggingFaceTokenizer(TokenizerJson.Load(path), TokenizerSettings.Load(beside), path);
        using var file = GgufFile.Open(weights);
        return Parse(GgufTokenizer.ToJson(file), GgufTokenizer.Settings(file), weights);
    }

    /// <summary>Reads the text of a <c>tokenizer.json</c>.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="settings">What <c>tokenizer_config.json</c> would say.</param>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <exception cref="CheckpointException">It is malformed, or uses what is not supported.</exception>
    public static HuggingFaceTokenizer Parse(ReadOnlyMemory<byte> json, TokenizerSettings settings, string source) =>
        new(TokenizerJson.Parse(json, source), settings, source);

    /// <summary>
    /// The tokenizer of a model with so many tokens: added tokens beyond them are left out, so that text that spells one stays text. Models of one family that read different things
    /// share a file: Gemma 3's has a mark of images that its text models do not know.
    /// </summary>
    /// <param name="tokens">Rows of the model's embedding.</param>
    /// <param name="logger">Hears of what is left out.</param>
    /// <returns>This one where nothing is.</returns>
    /// <exception cref="CheckpointException">The vocabulary is too large without any added token, or a mark that stands around texts would be left out.</exception>
    public HuggingFaceTokenizer Within(int tokens, ILogger logger)
    {
        if (VocabularySize <= tokens)
            return this;
        int own = json.Model.Vocabulary.Values.DefaultIfEmpty(-1).Max() + 1;
        if (own > tokens)
            throw new CheckpointException($"{source}: the vocabulary has {own} tokens, but the model only {tokens}: the tokenizer is another model's.");
        Log.TokensLeftOut(logger, source, tokens, VocabularySize - 1);
        return new HuggingFaceTokenizer(
            json with { AddedTokens = [.. json.AddedTokens.Where(t => t.Id < tokens)] },
            Settings with { AddedTokens = [.. Settings.AddedTokens.Where(t => t.Id < tokens)] },
            source);
    }

    /// <summary>Encodes text.</summary>
    /// <param name="text">Any text; unpaired surrogates become U+FFFD.</param>
    /// <param name="parseSpecial">
    /// Whether the spelling of a control mark in the text means the mark. Leave false for text that users send, so that it cannot forge marks.
    /// </param>
    /// <param name="addMarks">Whether <see cref="OpeningIds"/> and <see cref="ClosingIds"/> stand around it; a chat template writes its own.</param>
    /// <returns>Token ids.</returns>
    public int[] Encode(string text, bool parseSpecial = false, bool addMarks = false)
    {
        int[] ids = Encode(WellFormed(text), parseSpecial ? TrustedSpans.All : TrustedSpans.None);
        return addMarks ? [.. OpeningIds, .. ids, .. ClosingIds] : ids;
    }

    /// <summary>
    /// Encodes a rendered conversation. Control marks count only where the template wrote them; what lies between two marks is encoded in one piece,
    /// whoever wrote its parts, so that words are cut as in training.
    /// </summary>
    public int[] Encode(IReadOnlyList<PromptSegment> prompt) =>
        Encode(WellFormed(string.Concat(prompt.Select(segment => segment.Text))), TrustedSpans.Of(prompt));

    /// <summary>Encodes a text as a whole, but that a token ends where a part does: no space is put before a part that goes on from text.</summary>
    /// <param name="parts">The text's parts in order.</param>
    /// <param name="parseSpecial">Whether the spelling of a control mark within a part means the mark.</param>
    /// <returns>Token ids of each part.</returns>
    public int[][] EncodeParts(IReadOnlyList<string> parts, bool parseSpecial)
    {
        var ids = new int[parts.Count][];
        var before = Before.Nothing;
        for (int i = 0; i < ids.Length; i++)
            ids[i] = Encode(WellFormed(parts[i]), parseSpecial ? TrustedSpans.All : TrustedSpans.None, ref before);
        return ids;
    }

    /// <summary>Decodes tokens to text. Bytes that form no UTF-8 become U+FFFD; control marks are left out.</summary>
    /// <param name="ids">The tokens.</param>
    /// <param name="continues">
    /// Whether text stands before: then a space that the tokenizer puts before every text is kept, where the first word has one.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not of the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool continues = false)
    {
        var detokenizer = new IncrementalDetokenizer(this, continues);
        var text = new StringBuilder(ids.Length * 4);
        foreach (int id in ids)
            text.Append(detokenizer.Append(id));
        return text.Append(detokenizer.Flush()).ToString();
    }

    /// <summary>
    /// The bytes a token stands for in the middle of a text: a piece of UTF-8, which may begin or end inside a character. A control mark's are its spelling.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not of the vocabulary.</exception>
    public ReadOnlySpan<byte> TokenBytes(int id)
    {
        if ((uint)id >= (uint)bytesById.Length || bytesById[id] is not { } bytes)
            throw new ArgumentOutOfRangeException(nameof(id), id, "No token has this id.");
        return bytes;
    }

    /// <summary>Whether a token has this id: vocabularies may have holes.</summary>
    public bool HasToken(int id) => (uint)id < (uint)bytesById.Length && bytesById[id] is not null;

    /// <summary>The ids below a number that are no token: holes, and rows of a model's matrices that only fill them up.</summary>
    internal int[] UnusedIds(int tokens) => [.. Enumerable.Range(0, tokens).Where(id => !HasToken(id))];

    private int[] Encode(string text, TrustedSpans trust)
    {
        var before = Before.Nothing;
        return Encode(text, trust, ref before);
    }

    // Before is what stands before the text, and then what stands before a text that follows.
    private int[] Encode(string text, TrustedSpans trust, ref Before before)
    {
        var ids = new List<int>((text.Length / 3) + 1);
        foreach (var section in rawTokens.Cut(text, trust))
        {
            if (section.Token is { } token)
                ids.Add(token.Id);
            else
                EncodeText(new Piece(Normalize(text.Substring(section.Start, section.Length), before == Before.Text), before), ids);
            before = section.Token is null ? Before.Text : Before.Border;
        }
        return [.. ids];
    }

    private void EncodeText(Piece text, List<int> ids)
    {
        if (normalizedTokens is null)
        {
            EncodeWords(text, ids);
            return;
        }
        foreach (var section in normalizedTokens.Cut(text.Text, TrustedSpans.None))
        {
            if (section.Token is { } token)
                ids.Add(token.Id);
            else
                EncodeWords(text.Part(section.Start, section.Start + section.Length), ids);
        }
    }

    private void EncodeWords(Piece piece, List<int> ids)
    {
        List<Piece> words = [];
        if (json.PreTokenizer is null)
            words.Add(piece);
        else if (piece.Text.Length > 0)
            json.PreTokenizer(piece, words);
        foreach (var word in words)
        {
            if (word.Text.Length > 0)
                json.Model.Encode(word.Text, ids);
        }
    }

    private string Normalize(string text, bool continues) => json.Normalizer is null ? text : json.Normalizer(text, continues);

    // The marks that tokenizer_config.json names are special even where tokenizer.json has them as plain tokens.
    private static List<AddedToken> AllAdded(TokenizerJson json, TokenizerSettings settings)
    {
        var byId = new Dictionary<int, AddedToken>();
        foreach (var token in json.AddedTokens.Concat(settings.AddedTokens))
            byId[token.Id] = byId.TryGetValue(token.Id, out var known) ? known with { Special = known.Special || token.Special } : token;
        var added = byId.Values.ToList();
        foreach (string? mark in (string?[])[settings.BeginOfSequence, settings.EndOfSequence])
        {
            if (mark is not null && !added.Exists(t => t.Content == mark) && json.Model.Vocabulary.TryGetValue(mark, out int id))
                added.Add(new AddedToken(id, mark) { Special = true });
        }
        return added;
    }

    private static byte[]?[] ReadBytes(TokenizerJson json, List<AddedToken> added, string path)
    {
        if (added.Find(t => t.Id is < 0 or >= TokenModel.MostTokens) is { } wrong)
            throw new CheckpointException($"{path}: token '{wrong.Content}' has the id {wrong.Id}; ids from 0 to {TokenModel.MostTokens - 1} are supported.");
        int largest = Math.Max(json.Model.Vocabulary.Values.DefaultIfEmpty(-1).Max(), added.Select(t => t.Id).DefaultIfEmpty(-1).Max());
        var table = new byte[]?[largest + 1];
        foreach (var (spelling, id) in json.Model.Vocabulary)
            table[id] = json.Decoder.Bytes(spelling, added: false);
        foreach (var token in added)
            table[token.Id] = token.Special ? Encoding.UTF8.GetBytes(token.Content) : json.Decoder.Bytes(token.Content, added: true);
        return table;
    }

    private static int[] Marks(IReadOnlyList<int> written, bool? wanted, int? mark)
    {
        if (wanted is not { } want || mark is not { } id)
            return [.. written];
        return want == written.Contains(id) ? [.. written] : want ? [id, .. written] : [.. written.Where(other => other != id)];
    }

    private static string WellFormed(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 >= text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            i++;
        }
        return text;
    }
}
