using System.Diagnostics;

namespace AiFabric.Pretraining.Evaluation;

/// <summary>Compressed sizes by the usual command-line tools.</summary>
internal static class Compressor
{
    /// <summary>The bytes that the tool's output takes.</summary>
    /// <exception cref="InvalidOperationException">The tool is not installed or fails.</exception>
    public static async Task<long> CompressedBytesAsync(string tool, string level, byte[] text, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo(tool, [level, "--stdout"]) { RedirectStandardInput = true, RedirectStandardOutput = true })
            ?? throw new InvalidOperationException($"{tool} cannot be started.");
        var sending = SendAsync(process, text, cancellationToken);
        var buffer = new byte[1 << 16];
        long total = 0;
        for (int read; (read = await process.StandardOutput.BaseStream.ReadAsync(buffer, cancellationToken)) > 0;)
            total += read;
        await sending;
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? total : throw new InvalidOperationException($"{tool} {level} ended with {process.ExitCode}.");
    }

    private static async Task SendAsync(Process process, byte[] text, CancellationToken cancellationToken)
    {
        await process.StandardInput.BaseStream.WriteAsync(text, cancellationToken);
        process.StandardInput.Close();
    }
}
