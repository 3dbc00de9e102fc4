using System.Diagnostics;
using System.Globalization;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>nginx as a reverse proxy of one server, set up for event streams: nothing buffered, connections to the server kept.</summary>
internal sealed class NginxProcess : IAsyncDisposable
{
    private const string Program = "/usr/sbin/nginx";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-bench-nginx-");
    private readonly Process _process;

    private NginxProcess(int upstream)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "nginx.conf"), Configuration(_folder.FullName, Url.Port, upstream));
        _process = Shell.Start(
            Program, new Dictionary<string, string>(), Path.Combine(_folder.FullName, "out.log"), "-p", _folder.FullName, "-c", "nginx.conf", "-g", "daemon off;", "-e", "error.log");
    }

    public Uri Url { get; } = new($"http://127.0.0.1:{GatewayFabric.FreePort()}");

    /// <summary>Starts it.</summary>
    /// <exception cref="BenchException">It is not installed.</exception>
    public static NginxProcess Start(int upstream) =>
        File.Exists(Program) ? new NginxProcess(upstream) : throw new BenchException($"{Program} is missing: make bench-gateway installs it");

    /// <summary>Master and workers.</summary>
    public int[] ProcessIds() => [_process.Id, .. Directory.EnumerateDirectories("/proc").Select(Path.GetFileName)
        .Where(name => int.TryParse(name, out _)).Select(name => int.Parse(name!, CultureInfo.InvariantCulture)).Where(id => ParentOf(id) == _process.Id)]; // Has a name.

    public static async Task<string> VersionAsync(CancellationToken cancellationToken) =>
        (await Shell.RunAsync("/bin/sh", ["-c", $"{Program} -v 2>&1"], "/", new Dictionary<string, string>(), cancellationToken)).Trim();

    public async ValueTask DisposeAsync()
    {
        await Shell.TerminateAsync(_process, CancellationToken.None);
        await _process.WaitForExitAsync();
        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    private static int ParentOf(int id)
    {
        try
        {
            string text = File.ReadAllText($"/proc/{id}/stat");
            return int.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return -1; // Ended.
        }
    }

    private static string Configuration(string folder, int port, int upstream) => $$"""
        pid {{folder}}/nginx.pid;
        user root;
        worker_processes auto;
        worker_rlimit_nofile 20000;
        events { worker_connections 16000; }
        http {
          access_log off;
          client_body_temp_path {{folder}}/body;
          proxy_temp_path {{folder}}/proxy;
          fastcgi_temp_path {{folder}}/fastcgi;
          uwsgi_temp_path {{folder}}/uwsgi;
          scgi_temp_path {{folder}}/scgi;
          upstream worker { server 127.0.0.1:{{upstream}}; keepalive 512; }
          server {
            listen 127.0.0.1:{{port}} backlog=4096;
            location / {
              proxy_pass http://worker;
              proxy_http_version 1.1;
              proxy_set_header Connection "";
              proxy_buffering off;
              proxy_read_timeout 600s;
            }
          }
        }
        """;
}
