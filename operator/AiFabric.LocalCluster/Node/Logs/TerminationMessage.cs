using System.Text;
using AiFabric.LocalCluster.Node.Containers;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Logs;

/// <summary>
/// The message of a container that failed: the end of its log, where its <c>terminationMessagePolicy</c> asks for that. The file at
/// <c>terminationMessagePath</c> is not read: containers share this machine's <c>/dev</c>.
/// </summary>
internal static class TerminationMessage
{
    // Kubernetes' own limits for a message taken from a log.
    private const int MaxBytes = 2048;
    private const int MaxLines = 80;

    public static bool IsWanted(V1Container container) => container.TerminationMessagePolicy == "FallbackToLogsOnError";

    /// <returns>The last lines of the run's log; null when it wrote none, or its log is gone.</returns>
    public static string? Read(RunFolder run)
    {
        try
        {
            using var log = new FileStream(run.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            log.Seek(-Math.Min(MaxBytes, log.Length), SeekOrigin.End);
            byte[] end = new byte[MaxBytes];
            int count = log.ReadAtLeast(end, end.Length, throwOnEndOfStream: false);
            string[] lines = Encoding.UTF8.GetString(end, 0, count).TrimEnd('\n').Split('\n');
            string message = string.Join('\n', lines.TakeLast(MaxLines)).Trim('\0');
            return message.Length == 0 ? null : message;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
