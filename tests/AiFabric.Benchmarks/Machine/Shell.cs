using System.Diagnostics;

namespace AiFabric.Benchmarks.Machine;

/// <summary>Runs commands and starts processes.</summary>
internal static class Shell
{
    /// <summary>Runs a command to its end.</summary>
    /// <returns>What it wrote to standard output.</returns>
    /// <exception cref="BenchException">It ended with another code than 0; the message has the end of what it wrote.</exception>
    public static async Task<string> RunAsync(
        string command, IReadOnlyList<string> arguments, string folder, IReadOnlyDictionary<string, string> environment, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = Info(command, arguments, environment);
        start.WorkingDirectory = folder;
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using Process process = Process.Start(start) ?? throw new BenchException($"{command} could not be started");
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        string text = await output;
        if (process.ExitCode == 0)
            return text;
        string said = (text + await errors).Trim();
        throw new BenchException($"{command} {string.Join(' ', arguments)} ended with {process.ExitCode}: {said[Math.Max(0, said.Length - 1_000)..]}");
    }

    /// <summary>Starts a process whose output goes to <paramref name="log"/>.</summary>
    public static Process Start(string path, IReadOnlyDictionary<string, string> environment, string log, params string[] arguments)
    {
        // The shell replaces itself by the program, so that the process id is the program's own.
        ProcessStartInfo start = Info("/bin/sh", ["-c", "log=$1; shift; exec \"$0\" \"$@\" >>\"$log\" 2>&1", path, log, .. arguments], environment);
        return Process.Start(start) ?? throw new BenchException($"{path} could not be started");
    }

    /// <summary>Asks a process to end (SIGTERM).</summary>
    public static Task TerminateAsync(Process process, CancellationToken cancellationToken) => RunAsync(
        "kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)], "/", new Dictionary<string, string>(), cancellationToken);

    private static ProcessStartInfo Info(string command, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(command, arguments);
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return start;
    }
}
