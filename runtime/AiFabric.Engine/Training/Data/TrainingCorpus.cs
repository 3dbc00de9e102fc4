using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using AiFabric.Engine.Training.Planning;

namespace AiFabric.Engine.Training.Data;

/// <summary>The encoded sequences of a job; those of one example follow each other. Held in memory: 17 bytes a token.</summary>
/// <param name="Train">Sequences to train on, at least one.</param>
/// <param name="HeldOut">Sequences to evaluate on; may be empty.</param>
/// <param name="Sides">Sequences of an example.</param>
/// <param name="Digest"><c>sha256:…</c> of the encoded sequences of both kinds.</param>
/// <param name="Skipped">Lines with nothing to learn within the sequence length.</param>
public sealed record TrainingCorpus(IReadOnlyList<TrainingSample> Train, IReadOnlyList<TrainingSample> HeldOut, int Sides, string Digest, int Skipped)
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private const long SplitStream = long.MinValue; // of the seed; no epoch's and no sample's

    /// <summary>Reads and encodes a job's data.</summary>
    /// <exception cref="TrainingException">
    /// InvalidDataset: a file is missing, empty, or a line is broken; the message names file, 1-based line and cause. StorageUnavailable: a file cannot be read now.
    /// </exception>
    public static TrainingCorpus Load(TrainingRecipe recipe, SampleEncoder encoder, CancellationToken cancellationToken)
    {
        (List<TrainingSample[]> examples, int skipped) = ReadFile(recipe.DatasetPath, recipe, encoder, cancellationToken);
        List<TrainingSample[]> heldOut = recipe.EvalPath is { } evalPath
            ? Draw(recipe.MaxEvaluationSequences, ReadFile(evalPath, recipe, encoder, cancellationToken).Examples, recipe.Seed)
            : Draw(HeldOutOf(examples.Count, recipe), examples, recipe.Seed);
        if (recipe.EarlyStopping is not null && heldOut.Count == 0)
            throw Invalid($"{recipe.DatasetPath}: earlyStopping needs held-out data, but none is left: give dataset.evalUri, or a larger dataset.evalFraction.");
        List<TrainingSample> train = [.. examples.SelectMany(sides => sides)];
        if (recipe.ShuffleLabels)
            train = [.. train.Select((sample, index) => ShuffleTargets(sample, recipe.Seed, index))];
        List<TrainingSample> eval = [.. heldOut.SelectMany(sides => sides)];
        return new TrainingCorpus(train, eval, examples[0].Length, DigestOf([.. train, .. eval]), skipped);
    }

    // No more than evaluations read: the others are better trained on.
    private static int HeldOutOf(int examples, TrainingRecipe recipe) => recipe.EvalFraction == 0 || examples < 2
        ? 0
        : Math.Min(Math.Clamp((int)(examples * recipe.EvalFraction), 1, examples - 1), recipe.MaxEvaluationSequences);

    // Takes so many examples, drawn by the seed, out of the others. The order of both stays.
    private static List<TrainingSample[]> Draw(int most, List<TrainingSample[]> examples, long seed)
    {
        int[] order = [.. Enumerable.Range(0, examples.Count)];
        new SeededRandom(seed, SplitStream).Shuffle<int>(order);
        HashSet<int> chosen = [.. order.Take(most)];
        List<TrainingSample[]> drawn = [.. examples.Where((_, index) => chosen.Contains(index))];
        List<TrainingSample[]> rest = [.. examples.Where((_, index) => !chosen.Contains(index))];
        examples.Clear();
        examples.AddRange(rest);
        return drawn;
    }

    private static (List<TrainingSample[]> Examples, int Skipped) ReadFile(
        string path, TrainingRecipe recipe, SampleEncoder encoder, CancellationToken cancellationToken)
    {
        var examples = new List<TrainingSample[]>();
        int number = 0, skipped = 0;
        try
        {
            if (recipe.Format == DatasetFormat.PlainText)
                examples.AddRange(encoder.Cut(File.ReadAllText(path, Strict), recipe.SequenceLength).Select(sample => new[] { sample }));
            foreach (string line in recipe.Format == DatasetFormat.PlainText ? [] : File.ReadLines(path, Strict))
            {
                cancellationToken.ThrowIfCancellationRequested();
                number++;
                if (string.IsNullOrWhiteSpace(line))
                    continue;
                TrainingSample[][] read = ExamplesOf(line, recipe, encoder);
                examples.AddRange(read);
                skipped += read.Length == 0 ? 1 : 0;
            }
        }
        catch (FormatException e)
        {
            throw Invalid($"{path}, line {number}: {e.Message}.", e);
        }
        catch (DecoderFallbackException e)
        {
            throw Invalid($"{path}, near line {number + 1}: is not valid UTF-8.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }

        if (examples.Count == 0)
        {
            throw Invalid(skipped == 0
                ? $"{path}: the data set is empty."
                : $"{path}: none of {skipped} samples has a token to learn within a sequence length of {recipe.SequenceLength}.");
        }

        return (examples, skipped);
    }

    // Of a pair both sequences are needed; several of a conversation stand for themselves.
    private static TrainingSample[][] ExamplesOf(string line, TrainingRecipe recipe, SampleEncoder encoder)
    {
        TrainingSample?[] sequences = [.. LineReader.Read(line, recipe.Format, encoder).Select(segments => encoder.Encode(segments, recipe.SequenceLength))];
        TrainingSample[] learned = [.. sequences.OfType<TrainingSample>()];
        if (recipe.Format != DatasetFormat.Preference)
            return [.. learned.Select(sample => new[] { sample })];
        return learned.Length == sequences.Length ? [learned] : [];
    }

    private static TrainingSample ShuffleTargets(TrainingSample sample, long seed, int index)
    {
        int[] places = [.. Enumerable.Range(0, sample.Count).Where(i => sample.Learned[i])];
        int[] sources = [.. places];
        new SeededRandom(seed, ~(long)index).Shuffle<int>(sources);
        var targets = (long[])sample.Targets.Clone();
        for (int i = 0; i < places.Length; i++)
            targets[places[i]] = sample.Targets[sources[i]];
        return sample with { Targets = targets };
    }

    private static string DigestOf(List<TrainingSample> samples)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (TrainingSample sample in samples)
        {
            hash.AppendData(BitConverter.GetBytes(sample.Count));
            hash.AppendData(MemoryMarshal.AsBytes<long>(sample.Inputs));
            hash.AppendData(MemoryMarshal.AsBytes<long>(sample.Targets));
            hash.AppendData(MemoryMarshal.AsBytes<bool>(sample.Learned));
        }

        return "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // A file that is not there, or that this program may not read, is the job's fault; one that a disk does not give now may be sound, and is worth another try.
    private static TrainingException Unreadable(string path, Exception cause) =>
        cause is FileNotFoundException or DirectoryNotFoundException or PathTooLongException or UnauthorizedAccessException
            ? Invalid($"{path}: cannot be read: {cause.Message}", cause)
            : TrainingException.FromStorage(path, cause);

    private static TrainingException Invalid(string message, Exception? cause = null) =>
        new(TrainingErrorReasons.InvalidDataset, message, innerException: cause);
}
