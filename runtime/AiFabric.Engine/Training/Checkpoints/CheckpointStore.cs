using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Weights;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Checkpoints;

/// <summary>Writes a file of tensors, flushed to disk.</summary>
/// <exception cref="IOException">The disk is full or the place cannot be written.</exception>
internal delegate void WriteTensors(string path, IReadOnlyCollection<KeyValuePair<string, Tensor>> tensors);

/// <summary>A job's checkpoints: folders <c>step-00000010</c>, each whole or absent. Not for use from two threads at once.</summary>
internal sealed class CheckpointStore
{
    public const string ManifestFile = "manifest.json";
    public const string TensorsFile = "state.safetensors";
    private const int Version = 1;
    private const string Prefix = "step-";
    private readonly string folder;
    private readonly int retain;
    private readonly ILogger log;
    private readonly WriteTensors write;

    /// <param name="folder">Of this job alone.</param>
    /// <param name="retain">Checkpoints kept, at least 1.</param>
    /// <param name="log">Hears of damaged checkpoints.</param>
    /// <param name="write">How tensors are written; null for safetensors.</param>
    public CheckpointStore(string folder, int retain, ILogger log, WriteTensors? write = null)
    {
        (this.folder, this.retain, this.log) = (folder, retain, log);
        this.write = write ?? ((path, tensors) => SafetensorsWriter.Write(path, tensors));
    }

    /// <summary>Writes a checkpoint and removes the oldest ones above the number kept, but for the best one.</summary>
    /// <exception cref="TrainingException">StorageFull or StorageUnavailable, both retryable; earlier checkpoints stay.</exception>
    public void Save(CheckpointManifest manifest, IReadOnlyCollection<KeyValuePair<string, Tensor>> tensors)
    {
        string place = FolderOf(manifest.Step);
        try
        {
            FolderStorage.Write(place, temporary =>
            {
                string path = Path.Combine(temporary, TensorsFile);
                write(path, tensors);
                using var file = new FileStream(Path.Combine(temporary, ManifestFile), FileMode.CreateNew);
                JsonSerializer.Serialize(file, manifest with { Version = Version, Digest = DigestOf(path) }, CheckpointJson.Default.CheckpointManifest);
                file.Flush(flushToDisk: true);
            });
            string? best = manifest.Best is { } evaluation ? FolderOf(evaluation.Step) : null;
            foreach (string old in Newest().Skip(retain).Where(old => old != best))
                Directory.Delete(old, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw TrainingException.FromStorage(place, e);
        }
    }

    /// <summary>Reads the newest whole checkpoint and removes what unfinished writes left.</summary>
    /// <param name="recipe">Hash of the recipe that goes on.</param>
    /// <param name="read">Takes the tensors over from the open file.</param>
    /// <returns>Its manifest, or null when there is none.</returns>
    /// <exception cref="TrainingException">
    /// CheckpointUnreadable: the newest whole one is of another recipe, or none of those there is whole. StorageUnavailable, retryable: the disk does not give one now.
    /// </exception>
    public CheckpointManifest? LoadNewest(string recipe, Action<SafetensorsFile> read) => FromStorage<CheckpointManifest?>(folder, () =>
    {
        if (!Directory.Exists(folder))
            return null;
        foreach (string unfinished in Directory.GetDirectories(folder, FolderStorage.TemporaryPrefix + "*"))
            Directory.Delete(unfinished, recursive: true);
        string problem = string.Empty;
        foreach (string place in Newest())
        {
            try
            {
                CheckpointManifest manifest = ReadManifest(place);
                if (manifest.Recipe != recipe)
                {
                    throw Unreadable(
                        $"{place} was made with another recipe (model, data or hyperparameters differ: {manifest.Recipe}, not {recipe}); choose an empty checkpoint folder or restore the settings.");
                }

                using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(place, TensorsFile));
                read(file);
                return manifest;
            }
            catch (Exception e) when (IsDamage(e))
            {
                Log.CheckpointDamaged(log, place, e.Message);
                problem = $"{place}: {e.Message}";
            }
        }

        return problem.Length == 0 ? null : throw Unreadable($"No checkpoint in {folder} is whole; delete them to start over. {problem}");
    });

    /// <summary>Reads the checkpoint of a step.</summary>
    /// <exception cref="TrainingException">CheckpointUnreadable; or StorageUnavailable, retryable.</exception>
    public T Read<T>(int step, Func<SafetensorsFile, T> read)
    {
        string place = FolderOf(step);
        return FromStorage(place, () =>
        {
            try
            {
                _ = ReadManifest(place);
                using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(place, TensorsFile));
                return read(file);
            }
            catch (Exception e) when (IsDamage(e))
            {
                throw Unreadable($"{place}: {e.Message}");
            }
        });
    }

    // What a disk does not give now may be whole: to go on from an older checkpoint, or to give up, would lose steps for want of another try.
    private static bool IsDamage(Exception e) => e is CheckpointException or JsonException or FileNotFoundException or DirectoryNotFoundException;

    private static T FromStorage<T>(string place, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw TrainingException.FromStorage(place, e);
        }
    }

    private string FolderOf(int step) => Path.Combine(folder, Prefix + step.ToString("D8", CultureInfo.InvariantCulture));

    /// <summary>Checkpoint folders, newest first: the width of the number makes names sort as steps.</summary>
    private IEnumerable<string> Newest() => Directory.GetDirectories(folder, Prefix + "*").OrderDescending(StringComparer.Ordinal);

    private static CheckpointManifest ReadManifest(string place)
    {
        CheckpointManifest manifest =
            JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(place, ManifestFile)), CheckpointJson.Default.CheckpointManifest)
            ?? throw new CheckpointException("the manifest is null.");
        if (manifest.Version != Version)
            throw new CheckpointException($"the manifest is of version {manifest.Version}; this program reads {Version}.");
        if (DigestOf(Path.Combine(place, TensorsFile)) != manifest.Digest)
            throw new CheckpointException($"{TensorsFile} does not have the digest that the manifest states: it is truncated or damaged.");
        return manifest;
    }

    private static string DigestOf(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return "sha256:" + Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static TrainingException Unreadable(string message) => new(TrainingErrorReasons.CheckpointUnreadable, message);
}
