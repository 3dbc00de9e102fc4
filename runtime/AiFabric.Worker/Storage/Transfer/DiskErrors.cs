using AiFabric.Protocol;

namespace AiFabric.Worker.Storage.Transfer;

/// <summary>Says of an error of the file system what it means for a download.</summary>
internal static class DiskErrors
{
    private const int NoSpace = 28;       // ENOSPC
    private const int QuotaExceeded = 122; // EDQUOT

    /// <summary>.NET hands the system's number through on Unix.</summary>
    public static bool IsFull(Exception e) => e is IOException && e.HResult is NoSpace or QuotaExceeded;

    /// <param name="folder">Where it was written.</param>
    /// <param name="wantedBytes">What the whole download takes.</param>
    /// <param name="cause">The error that told; null when it was foreseen.</param>
    public static DownloadException Full(string folder, long wantedBytes, Exception? cause = null) => new(
        $"the disk of the model cache is full: {folder} has {ByteText.Of(FreeBytes(folder))} left, this download takes {ByteText.Of(wantedBytes)} in all; "
        + "give the cache a larger volume, or delete models that are not used", retryable: false, cause);

    public static DownloadException Of(string folder, long wantedBytes, Exception e) => IsFull(e)
        ? Full(folder, wantedBytes, e)
        : new DownloadException($"the model cache cannot be written: {e.Message}", retryable: true, e);

    public static long FreeBytes(string folder) => new DriveInfo(folder).AvailableFreeSpace;
}
