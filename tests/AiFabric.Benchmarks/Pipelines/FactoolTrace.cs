namespace AiFabric.Benchmarks.Pipelines;

/// <summary>One chatbot's answer as FacTool saw it.</summary>
/// <param name="Sentences">Of the answer.</param>
/// <param name="Tokens">Of the answer.</param>
/// <param name="Verdicts">One for each claim that FacTool extracted: <c>T</c>rue or <c>F</c>alse.</param>
internal readonly record struct CheckedAnswer(int Sentences, int Tokens, string Verdicts)
{
    public int Claims => Verdicts.Length;
}

/// <summary>
/// Sizes and verdicts of a real run of FacTool over chatbots' answers: the 108 knowledge questions of <c>datasets/chinese/factool_output.jsonl</c> in its repository at 3f3914b. A token is taken for one
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
        new(7, 267, "TTTTTTTTTTTT"), new(6, 244, "TTTTTFTTFTFTT"), new(11, 548, "TTTTTTFTTTFFFTT"), new(6, 214, "TTTTTTTTTTT"), new(5, 306, "TTTTTFTT"),
        new(6, 189, "FTTTTFTT"), new(3, 69, "TFTTFTF"), new(4, 147, "TFTTTFTTT"), new(8, 350, "FTTFFTTTTTTT"), new(4, 122, "TTTTFTT"), new(4, 128, "TTFFT"),
        new(5, 133, "TFTTT"), new(1, 26, "T"), new(4, 214, "TTTTTTTTTT"), new(4, 150, "TTFFTTT"), new(4, 118, "FTTFTTF"), new(2, 73, "TT"), new(4, 120, "TTTTT"),
        new(4, 172, "TFTTT"), new(7, 268, "TTTTFTT"), new(12, 434, "TTTTTTTTFFTTT"), new(6, 246, "TTTFTTF"), new(4, 140, "TFFT"), new(5, 135, "TTTFTTT"),
        new(1, 43, "TTTTT"), new(1, 4, ""), new(2, 110, "FFTFT"), new(1, 30, "T"), new(1, 33, "T"), new(1, 4, "T"), new(1, 21, "F"), new(3, 98, "TTTTF"),
        new(4, 123, "FTTTT"), new(3, 96, "FTTTTTT"), new(1, 33, "F"), new(7, 279, "TTTFFTTFTT"), new(6, 181, "FTTTFTTT"), new(10, 416, "FTFFTFFF"),
        new(9, 398, "FFTTTFTFTFTT"), new(7, 324, "TTTFTTFTTTFT"), new(7, 314, "FFTFTFFFF"), new(12, 488, "TFFTTFTTFTTTTTTTFTFF"), new(3, 76, "TTT"),
        new(9, 307, "TTTTTTTTFTTTT"), new(8, 348, "TTTTTTTTTTTFT"), new(4, 182, "TTTTTTT"), new(4, 110, "TTTTTF"), new(3, 118, "FFTTT"), new(1, 75, "TFTTFT"),
        new(5, 62, "TTFTT"), new(9, 229, "TTFFFFTTTTTTTFFFFFTFTF"), new(2, 92, "TTFF"), new(2, 62, "TTTT"), new(1, 86, "TFTT"), new(1, 28, "TTF"),
        new(4, 163, "FTFTFFFT"), new(9, 357, "FTFTTTFFTTFFF"), new(2, 67, "FTFF"), new(2, 46, "FT"), new(4, 131, "FFTTTFTT"), new(6, 226, "TFTTTTTTFFTT"),
        new(2, 91, "TTTT"), new(6, 274, "FTTTFTT"), new(1, 30, "F"), new(4, 151, "TTFTFT"), new(1, 37, "TF"), new(2, 42, "FTT"), new(3, 114, "FTFTT"),
        new(9, 297, "TFFTTTTTTTTTT"), new(3, 99, "FFFT"), new(1, 39, "FT"), new(2, 54, "FTFFF"), new(1, 28, "FTT"), new(2, 104, "FFFT"), new(8, 252, "FTTTTFTF"),
        new(2, 87, "FTTTT"), new(2, 34, "TTT"), new(1, 56, "TTT"), new(3, 253, "TTTTTTTTTT"), new(2, 228, "FTTTTT"), new(10, 606, "TTTTTT"), new(1, 50, ""),
        new(2, 34, "TT"), new(1, 37, "FFF"), new(1, 40, ""), new(6, 298, "TTFTTFTTFTTTTTT"), new(14, 596, "FTTTTFTTTTTTTTTTTT"), new(2, 48, "TTTT"), new(1, 24, "TT"),
        new(1, 3, ""), new(4, 210, "FTTTTTTFTTT"), new(6, 277, "FTTTTTTTTT"), new(10, 379, "TTTTTTTTTTTTTTTFTTTT"), new(1, 50, "TT"), new(1, 36, "FTT"), new(1, 25, "F"),
        new(1, 40, "TTT"), new(6, 350, "TTTTFTTTTFTTTTTTTT"), new(12, 442, "TTTTTTTTTTTTFTTTTT"), new(1, 50, ""), new(10, 453, "TTTTTTTTTTTTTTTTTTTFTTTTTTT"),
        new(1, 3, ""), new(11, 286, "TTFFTFFFTTTTTTT"), new(17, 548, "TTTTTTTTTTTTTTTTTTTTTTT"), new(13, 614, "TTTFTTTTTTTTTTFTT"), new(1, 49, ""),
        new(8, 301, "TTTFTFFTTTTTTTT"), new(1, 3, ""),
    ];

    /// <summary>Tokens of the verdicts (reasoning, error, correction), the middle of each tenth of 719.</summary>
    public static readonly int[] VerdictTokens = [68, 86, 96, 107, 120, 132, 143, 158, 178, 214];

    /// <summary>Tokens of the evidence found for a claim, the middle of each tenth of 768.</summary>
    public static readonly int[] EvidenceTokens = [128, 219, 357, 434, 473, 515, 658, 709, 736, 797];
}
