using System.Diagnostics;
using Xunit;

namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>What a program said, both outputs together in the order standard output, standard error.</summary>
public readonly record struct Said(int ExitCode, string Text);

/// <summary>Runs programs to their end.</summary>
internal static class Shell
{
    /// <summary>Runs a program; kills it and fails when it takes longer than its time.</summary>
    public static async Task<Said> TryAsync(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, string? input = null, int seconds = 180)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string? value) in environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!; // Never null without a shell.
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(deadline.Token), errors = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            await process.WaitForExitAsync(deadline.Token);
            return new Said(process.ExitCode, await output + await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} took longer than {seconds} s");
        }
    }

    /// <summary>Runs a program and fails the test when it ends with another exit code than expected.</summary>
    public static async Task<string> RunAsync(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, string? input = null, int exitCode = 0, int seconds = 180)
    {
        Said said = await TryAsync(program, arguments, environment, input, seconds);
        Assert.True(said.ExitCode == exitCode, $"{Path.GetFileName(program)} {string.Join(' ', arguments)} ended with {said.ExitCode}:\n{said.Text}");
        return said.Text;
    }
}
