using System.Diagnostics;
using AiFabric.LocalCluster.Node.Interop;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>A container's process, whoever started it: signals it and runs commands beside it.</summary>
internal sealed record ContainerHandle(ProcessIdentity Process)
{
    /// <summary>Asks the container's processes to end.</summary>
    public void Terminate() => Signal(Native.SignalTerminate);

    /// <summary>Ends the container's processes.</summary>
    public void Kill() => Signal(Native.SignalKill);

    /// <summary>Runs a command with the container's environment, working folder and mounts.</summary>
    /// <exception cref="ConfigException">The container's process is gone.</exception>
    public async Task<(int ExitCode, string Output)> ExecAsync(IList<string> command, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = StartInfo(command);
        using Process process = System.Diagnostics.Process.Start(start)!; // not shell execution, so there is a process
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            string text = await output + await errors;
            return (process.ExitCode, text.Length > 1024 ? text[..1024] : text);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    private ProcessStartInfo StartInfo(IList<string> command)
    {
        int main = Process.Main == 0 ? Process.Leader : Process.Main;
        try
        {
            bool ownMounts = File.ResolveLinkTarget($"/proc/{main}/ns/mnt", false)?.Name != File.ResolveLinkTarget("/proc/self/ns/mnt", false)?.Name;
            string[] line = ownMounts ? ["nsenter", $"--target={main}", "--mount", $"--wd=/proc/{main}/cwd", "--", .. command] : [.. command];
            var start = new ProcessStartInfo(line[0], line[1..])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = ownMounts ? "/" : Directory.ResolveLinkTarget($"/proc/{main}/cwd", false)?.FullName ?? "/",
            };
            start.Environment.Clear();
            foreach (string variable in File.ReadAllText($"/proc/{main}/environ").Split('\0'))
            {
                if (variable.IndexOf('=') is var equals and > 0)
                {
                    start.Environment[variable[..equals]] = variable[(equals + 1)..];
                }
            }

            return start;
        }
        catch (IOException)
        {
            throw new ConfigException("the container's process has ended");
        }
    }

    private void Signal(int signal)
    {
        if (Process.OwnsGroup())
        {
            Native.SignalGroup(Process.Leader, signal);
        }
    }
}
