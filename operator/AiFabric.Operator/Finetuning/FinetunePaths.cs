using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Storage;

namespace AiFabric.Operator.Finetuning;

/// <summary>
/// Where a job reads and writes. An export replaces its folder with all that is in it: so the adapter has one of its own, apart from what others, and the
/// job's checkpoints, put into the declared folder. A job made anew under an old name has another uid and hence finds no old checkpoint.
/// </summary>
internal static class FinetunePaths
{
    /// <summary>The declared folder, which others may write into as well; null when the spec's URI is none.</summary>
    public static StorageUri? Declared(FinetuneJob job, StorageUri data)
    {
        if (job.Spec.Output.Uri is not { } text)
            return data.Below($"{job.Metadata.NamespaceProperty}/{job.Metadata.Name}/{job.Metadata.Uid}");
        return StorageUri.TryParse(text, out StorageUri? uri, out _) ? uri : null;
    }

    /// <summary>Folder of the finished adapter; null when the spec's URI is none.</summary>
    public static StorageUri? Output(FinetuneJob job, StorageUri data) => Declared(job, data)?.Below($"adapter-{job.Metadata.Uid}");

    /// <summary>Folder of the checkpoints; null when the spec's URI is none.</summary>
    public static StorageUri? Checkpoints(FinetuneJob job, StorageUri data)
    {
        if (job.Spec.Checkpoint?.Uri is not { } text)
            return Declared(job, data)?.Below($"checkpoints/{job.Metadata.Uid}");
        return StorageUri.TryParse(text, out StorageUri? uri, out _) ? uri.Below(job.Metadata.Uid) : null;
    }
}
