using System.Globalization;
using System.Text;
using AiFabric.Engine.Tokenization;
using AiFabric.Pretraining.Corpus;
using AiFabric.Pretraining.Training;

namespace AiFabric.Pretraining.Evaluation;

/// <summary>Bits per byte of the held-out text: the model beside an n-gram model and two compressors.</summary>
internal static class HeldOutReport
{
    /// <summary>Measures everything and returns a Markdown table.</summary>
    /// <param name="parameters">The exported weights.</param>
    /// <param name="tokenizer">Their tokenizer.</param>
    /// <param name="corpus">The folder with the training and the held-out documents.</param>
    /// <param name="cancellationToken">Ends the measurement.</param>
    public static async Task<string> MeasureAsync(LlamaParameters parameters, HuggingFaceTokenizer tokenizer, string corpus, CancellationToken cancellationToken)
    {
        var heldOut = CorpusBuilder.Read(Path.Combine(corpus, CorpusBuilder.HeldOutFile));
        var training = CorpusBuilder.Read(Path.Combine(corpus, CorpusBuilder.TrainingFile));
        byte[] text = Join(heldOut);
        byte[] trainingText = Join(training);

        var table = new StringBuilder("| held-out text, bits per byte | |\n|---|---|\n");
        var score = new ModelScore(parameters, tokenizer);
        double allBits = 0;
        var bySource = new List<string>();
        foreach (var source in heldOut.GroupBy(d => d.Source))
        {
            double bits = source.Sum(d => score.Bits(d.Text));
            allBits += bits;
            bySource.Add(Row($"— of it {source.Key} ({source.Count()} documents)", bits / source.Sum(d => (double)Encoding.UTF8.GetByteCount(d.Text))));
        }
        table.Append(Row("**this model**", allBits / heldOut.Sum(d => (double)Encoding.UTF8.GetByteCount(d.Text))));
        bySource.ForEach(row => table.Append(row));

        var grams = new ByteNGram(5);
        grams.Add(trainingText);
        table.Append(Row("byte 5-gram, Witten–Bell, same training text", grams.Bits(text) / text.Length));
        table.Append(Row("xz -9e, after the training text", 8.0 * await AfterAsync("xz", "-9e", trainingText, text, cancellationToken) / text.Length));
        table.Append(Row("xz -9e, alone", 8.0 * await Compressor.CompressedBytesAsync("xz", "-9e", text, cancellationToken) / text.Length));
        table.Append(Row("gzip -9, alone (its window of 32 KiB forgets the training text)", 8.0 * await Compressor.CompressedBytesAsync("gzip", "-9", text, cancellationToken) / text.Length));
        return table.ToString();
    }

    // What the held-out text adds to the compressed training text: the compressor's counterpart of having been trained.
    private static async Task<long> AfterAsync(string tool, string level, byte[] training, byte[] text, CancellationToken cancellationToken) =>
        await Compressor.CompressedBytesAsync(tool, level, [.. training, .. text], cancellationToken)
        - await Compressor.CompressedBytesAsync(tool, level, training, cancellationToken);

    private static byte[] Join(IEnumerable<CorpusDocument> documents) => Encoding.UTF8.GetBytes(string.Join("\n\n", documents.Select(d => d.Text)));

    private static string Row(string name, double bitsPerByte) => string.Create(CultureInfo.InvariantCulture, $"| {name} | {bitsPerByte:F3} |\n");
}
