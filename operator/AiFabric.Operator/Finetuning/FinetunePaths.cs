using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Storage;

namespace AiFabric.Operator.Finetuning;

/// <summary>Where a job reads and writes. A job made anew under an old name has another uid and hence finds no old checkpoint.</summary>
internal static class FinetunePaths
{
    /// <summary>Folder of the finished adapter; null when the spec's URI is none.</summary>
    public static StorageUri? Output(FinetuneJob job, StorageUri data)
    {
        if (job.Spec.Output.Uri is not { } text)
            return data.Below($"{job.Metadata.NamespaceProperty}/{job.Metadata.Name}/{job.Metadata.Uid}");
        return StorageUri.TryParse(text, out StorageUri? uri, out _) ? uri : null;
    }

    /// <summary>Folder of the checkpoints; null when the spec's URI is none.</summary>
    public static StorageUri? Checkpoints(FinetuneJob job, StorageUri data)
    {
        if (job.Spec.Checkpoint?.Uri is not { } text)
            return Output(job, data)?.Below($"checkpoints/{job.Metadata.Uid}");
        return StorageUri.TryParse(text, out StorageUri? uri, out _) ? uri.Below(job.Metadata.Uid) : null;
    }
}
