using AiFabric.Engine.Tokenization;

namespace AiFabric.Engine.Training.Data;

/// <summary>Turns the segments of a line into tokens. Thread safe.</summary>
public sealed class SampleEncoder
{
    private readonly Func<IReadOnlyList<string>, bool, IReadOnlyList<int[]>> encode;
    private readonly int? begin;
    private readonly int? end;

    /// <param name="encode">The parts of a text, and whether to parse control marks → token ids of each part.</param>
    /// <param name="begin">Token put before every text and prompt, or null.</param>
    /// <param name="end">Token put after every text and completion, or null.</param>
    /// <param name="renderChat">
    /// Messages and whether to open the assistant's answer → text with control marks. Null where the model has no chat template.
    /// </param>
    public SampleEncoder(
        Func<IReadOnlyList<string>, bool, IReadOnlyList<int[]>> encode, int? begin, int? end, Func<IReadOnlyList<ChatTurn>, bool, string>? renderChat = null) =>
        (this.encode, this.begin, this.end, RenderChat) = (encode, begin, end, renderChat);

    /// <summary>Encodes as the model's tokenizer does.</summary>
    public SampleEncoder(HuggingFaceTokenizer tokenizer, Func<IReadOnlyList<ChatTurn>, bool, string>? renderChat = null)
        : this(
            tokenizer.EncodeParts,
            tokenizer.OpeningIds is [var opening, ..] ? opening : null,
            tokenizer.EndOfSequenceId,
            renderChat)
    {
    }

    internal Func<IReadOnlyList<ChatTurn>, bool, string>? RenderChat { get; }

    /// <summary>Encodes the segments as parts of one text, so that the border of the loss is a border of tokens.</summary>
    /// <param name="segments">Text in order.</param>
    /// <param name="sequenceLength">Tokens at most; what follows is cut.</param>
    /// <returns>The sample, or null when nothing to learn is left.</returns>
    internal TrainingSample? Encode(IReadOnlyList<TextSegment> segments, int sequenceLength)
    {
        var tokens = new List<int>();
        var learned = new List<bool>();
        bool marked = segments is [{ ParseMarks: true }, ..]; // A chat template writes its own marks.
        if (!marked && begin is { } opening)
            Add(opening, false);
        foreach ((TextSegment segment, int[] ids) in segments.Zip(encode([.. segments.Select(part => part.Text)], marked)))
        {
            foreach (int token in ids)
                Add(token, segment.Learned);
        }

        if (!marked && end is { } closing)
            Add(closing, true);
        int count = Math.Min(tokens.Count, sequenceLength);
        return TrainingSample.From(tokens.ToArray().AsSpan(0, count), learned.ToArray().AsSpan(0, count));

        void Add(int token, bool learn)
        {
            tokens.Add(token);
            learned.Add(learn);
        }
    }

    /// <summary>Encodes a text of any length as sequences that follow each other, all tokens learned but the first.</summary>
    /// <param name="text">The text.</param>
    /// <param name="sequenceLength">Tokens of each sequence but the last.</param>
    internal IEnumerable<TrainingSample> Cut(string text, int sequenceLength)
    {
        int[] tokens = [.. begin is { } opening ? [opening] : Array.Empty<int>(), .. encode([text], false)[0], .. end is { } closing ? [closing] : Array.Empty<int>()];
        bool[] learned = Enumerable.Repeat(true, sequenceLength).ToArray();
        // A sequence begins with the token that the one before it ended with, so that each token is learned once.
        for (int start = 0; start + 1 < tokens.Length; start += sequenceLength - 1)
        {
            int count = Math.Min(sequenceLength, tokens.Length - start);
            if (TrainingSample.From(tokens.AsSpan(start, count), learned.AsSpan(0, count)) is { } sample)
                yield return sample;
        }
    }
}
