using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using AiFabric.Engine.Training.Planning;

namespace AiFabric.Engine.Training.Data;

/// <summary>The encoded samples of a job. Held in memory: 17 bytes a token.</summary>
/// <param name="Train">Samples to train on, at least one.</param>
/// <param name="HeldOut">Samples to evaluate on; empty when the data set has only one.</param>
/// <param name="Digest"><c>sha256:…</c> of the encoded samples of both kinds.</param>
/// <param name="Skipped">Lines with nothing to learn within the sequence length.</param>
public sealed record TrainingCorpus(IReadOnlyList<TrainingSample> Train, IReadOnlyList<TrainingSample> HeldOut, string Digest, int Skipped)
{
    private const int HeldOutShare = 10;

    /// <summary>Reads and encodes a job's data.</summary>
    /// <exception cref="TrainingException">InvalidDataset: a file is missing, empty, or a line is broken; the message names file, 1-based line and cause.</exception>
    public static TrainingCorpus Load(TrainingRecipe recipe, SampleEncoder encoder, CancellationToken cancellationToken)
    {
        (List<TrainingSample> samples, int skipped) = ReadFile(recipe.DatasetPath, recipe, encoder, cancellationToken);
        List<TrainingSample> heldOut;
        if (recipe.EvalPath is { } evalPath)
        {
            heldOut = ReadFile(evalPath, recipe, encoder, cancellationToken).Samples;
        }
        else
        {
            int count = samples.Count < 2 ? 0 : Math.Max(1, samples.Count / HeldOutShare);
            heldOut = samples[^count..];
            samples.RemoveRange(samples.Count - count, count);
        }

        if (heldOut.Count > recipe.MaxEvaluationSequences)
            heldOut.RemoveRange(recipe.MaxEvaluationSequences, heldOut.Count - recipe.MaxEvaluationSequences);
        if (recipe.ShuffleLabels)
            samples = [.. samples.Select((sample, index) => ShuffleTargets(sample, recipe.Seed, index))];
        return new TrainingCorpus(samples, heldOut, DigestOf([.. samples, .. heldOut]), skipped);
    }

    private static (List<TrainingSample> Samples, int Skipped) ReadFile(
        string path, TrainingRecipe recipe, SampleEncoder encoder, CancellationToken cancellationToken)
    {
        var samples = new List<TrainingSample>();
        int number = 0, skipped = 0;
        try
        {
            foreach (string line in File.ReadLines(path, new UTF8Encoding(false, throwOnInvalidBytes: true)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                number++;
                if (string.IsNullOrWhiteSpace(line))
                    continue;
                if (encoder.Encode(LineReader.Read(line, recipe.Format, encoder), recipe.SequenceLength) is { } sample)
                    samples.Add(sample);
                else
                    skipped++;
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
            throw Invalid($"{path}: cannot be read: {e.Message}", e);
        }

        if (samples.Count == 0)
        {
            throw Invalid(skipped == 0
                ? $"{path}: the data set is empty."
                : $"{path}: none of {skipped} samples has a token to learn within a sequence length of {recipe.SequenceLength}.");
        }

        return (samples, skipped);
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

    private static TrainingException Invalid(string message, Exception? cause = null) =>
        new(TrainingErrorReasons.InvalidDataset, message, innerException: cause);
}
