using System.Diagnostics;
using System.Globalization;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>All that is needed to start a container.</summary>
internal sealed record LaunchRequest
{
    public required RunFolder Folder { get; init; }

    public required IReadOnlyList<string> Command { get; init; }

    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    public required string WorkingFolder { get; init; }

    public IReadOnlyList<Mount> Mounts { get; init; } = [];
}

/// <summary>
/// Starts a container as a process that outlives this one. A supervising shell leads a session of its own, appends output straight to the
/// log file and writes the exit code to a file, so nothing of a running container depends on the node's process.
/// </summary>
internal sealed class Launcher
{
    // The traps keep the shell alive when its group is signalled; a caught signal is reset in children, so the command gets the default.
    private const string Supervisor = """
        run=$1 cwd=$2 mounts=$3
        shift 3
        exec </dev/null 3>>"$run/log" >&3 2>&3
        trap : HUP INT QUIT TERM USR1 USR2
        echo $$ >"$run/leader"
        while [ "$mounts" -gt 0 ]; do
            if [ ! -e "$2" ]; then
                if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "$(dirname "$2")" && : >"$2"; fi
            fi
            mount --bind "$1" "$2" && { [ "$3" = rw ] || mount -o remount,bind,ro "$2"; } || { echo 128 >"$run/exit"; exit; }
            shift 3
            mounts=$((mounts - 1))
        done
        exec >/dev/null 2>&1 # the shell's own words, such as "Killed", are not the container's
        /bin/sh -c 'exec >&3 2>&3 3>&-; cd "$2" || exit 128; echo $$ >"$1/pid.new" && mv "$1/pid.new" "$1/pid" || exit 128; shift 2; exec "$@"' container "$run" "$cwd" "$@"
        echo $? >"$run/exit.new"
        mv "$run/exit.new" "$run/exit"
        """;

    private static readonly string[] ProgramFolders = ["/usr/bin", "/bin", "/usr/local/bin"];
    private static readonly string SetSid = Find("setsid");
    private static readonly string Unshare = Find("unshare");

    /// <summary>Whether this process may give containers their own mounts.</summary>
    public static bool CanMount()
    {
        try
        {
            using Process probe = Process.Start(new ProcessStartInfo(Unshare, ["--mount", "--propagation", "slave", "/bin/sh", "-c", "mount --bind /proc /proc"])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            })!; // not shell execution, so there is a process
            probe.WaitForExit();
            return probe.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // no such program
        }
    }

    /// <exception cref="ConfigException">The operating system refused to start a process.</exception>
    public static ProcessIdentity Start(LaunchRequest request)
    {
        Directory.CreateDirectory(request.Folder.Path);
        var start = new ProcessStartInfo(SetSid) { UseShellExecute = false, WorkingDirectory = "/" };
        foreach (string argument in Arguments(request))
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment.Clear();
        foreach ((string name, string value) in request.Environment)
        {
            start.Environment[name] = value;
        }

        try
        {
            // The shell makes itself a session leader by exec, so its number is the one we get here.
            using Process process = Process.Start(start)!;
            return ProcessIdentity.Of(process.Id) ?? new ProcessIdentity(process.Id, -1, "", 0);
        }
        catch (System.ComponentModel.Win32Exception refused)
        {
            throw new ConfigException($"cannot start a process: {refused.Message}");
        }
    }

    private static IEnumerable<string> Arguments(LaunchRequest request)
    {
        string[] isolation = request.Mounts.Count > 0 ? [Unshare, "--mount", "--propagation", "slave"] : [];
        return
        [
            .. isolation, "/bin/sh", "-c", Supervisor, "supervisor", request.Folder.Path, request.WorkingFolder,
            request.Mounts.Count.ToString(CultureInfo.InvariantCulture),
            .. request.Mounts.SelectMany(m => new[] { m.Source, m.Target, m.ReadOnly ? "ro" : "rw" }),
            .. request.Command,
        ];
    }

    private static string Find(string program) => ProgramFolders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists) ?? program;
}
