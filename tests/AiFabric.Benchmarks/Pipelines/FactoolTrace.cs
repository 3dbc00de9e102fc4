namespace AiFabric.Benchmarks.Pipelines;

/// <summary>One chatbot's answer as FacTool saw it.</summary>
/// <param name="Sentences">Of the answer.</param>
/// <param name="Tokens">Of the answer.</param>
/// <param name="Claims">That FacTool extracted.</param>
internal readonly record struct CheckedAnswer(int Sentences, int Tokens, int Claims);

/// <summary>
/// Sizes of a real run of FacTool over chatbots' answers: the 108 knowledge questions of <c>datasets/chinese/factool_output.jsonl</c> in its repository at 3f3914b. A token is taken for one
/// Chinese or four other characters.
/// </summary>
internal static class FactoolTrace
{
    /// <summary>Characters of FacTool's prompts by four: instructions and examples before the text.</summary>
    public const int ExtractionPrompt = 607;

    public const int QueryPrompt = 326;
    public const int VerdictPrompt = 367;

    /// <summary>Mean tokens of a question.</summary>
    public const int Question = 19;

    /// <summary>Mean tokens of a claim, with its key and brackets.</summary>
    public const int Claim = 26;

    /// <summary>Mean tokens of one of a claim's two queries, with quotes and brackets.</summary>
    public const int Query = 16;

    /// <summary>Every answer.</summary>
    public static readonly CheckedAnswer[] Answers =
    [
        new(7, 267, 12), new(6, 244, 13), new(11, 548, 15), new(6, 214, 11), new(5, 306, 8), new(6, 189, 8), new(3, 69, 7), new(4, 147, 9),
        new(8, 350, 12), new(4, 122, 7), new(4, 128, 5), new(5, 133, 5), new(1, 26, 1), new(4, 214, 10), new(4, 150, 7), new(4, 118, 7),
        new(2, 73, 2), new(4, 120, 5), new(4, 172, 5), new(7, 268, 7), new(12, 434, 13), new(6, 246, 7), new(4, 140, 4), new(5, 135, 7),
        new(1, 43, 5), new(1, 4, 0), new(2, 110, 5), new(1, 30, 1), new(1, 33, 1), new(1, 4, 1), new(1, 21, 1), new(3, 98, 5),
        new(4, 123, 5), new(3, 96, 7), new(1, 33, 1), new(7, 279, 10), new(6, 181, 8), new(10, 416, 8), new(9, 398, 12), new(7, 324, 12),
        new(7, 314, 9), new(12, 488, 20), new(3, 76, 3), new(9, 307, 13), new(8, 348, 13), new(4, 182, 7), new(4, 110, 6), new(3, 118, 5),
        new(1, 75, 6), new(5, 62, 5), new(9, 229, 22), new(2, 92, 4), new(2, 62, 4), new(1, 86, 4), new(1, 28, 3), new(4, 163, 8),
        new(9, 357, 13), new(2, 67, 4), new(2, 46, 2), new(4, 131, 8), new(6, 226, 12), new(2, 91, 4), new(6, 274, 7), new(1, 30, 1),
        new(4, 151, 6), new(1, 37, 2), new(2, 42, 3), new(3, 114, 5), new(9, 297, 13), new(3, 99, 4), new(1, 39, 2), new(2, 54, 5),
        new(1, 28, 3), new(2, 104, 4), new(8, 252, 8), new(2, 87, 5), new(2, 34, 3), new(1, 56, 3), new(3, 253, 10), new(2, 228, 6),
        new(10, 606, 6), new(1, 50, 0), new(2, 34, 2), new(1, 37, 3), new(1, 40, 0), new(6, 298, 15), new(14, 596, 18), new(2, 48, 4),
        new(1, 24, 2), new(1, 3, 0), new(4, 210, 11), new(6, 277, 10), new(10, 379, 20), new(1, 50, 2), new(1, 36, 3), new(1, 25, 1),
        new(1, 40, 3), new(6, 350, 18), new(12, 442, 18), new(1, 50, 0), new(10, 453, 27), new(1, 3, 0), new(11, 286, 15), new(17, 548, 23),
        new(13, 614, 17), new(1, 49, 0), new(8, 301, 15), new(1, 3, 0),
    ];

    /// <summary>Tokens of the verdicts (reasoning, error, correction), the middle of each tenth of 719.</summary>
    public static readonly int[] VerdictTokens = [68, 86, 96, 107, 120, 132, 143, 158, 178, 214];

    /// <summary>Tokens of the evidence found for a claim, the middle of each tenth of 768.</summary>
    public static readonly int[] EvidenceTokens = [128, 219, 357, 434, 473, 515, 658, 709, 736, 797];
}
