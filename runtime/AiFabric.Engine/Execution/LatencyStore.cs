using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Weights;
using Microsoft.Extensions.Logging;

namespace AiFabric.Engine.Execution;

/// <summary>Keeps what iterations cost from one start to the next, so that finetuning need not begin with small windows. One file for each machine and model.</summary>
internal sealed class LatencyStore
{
    private readonly string path;
    private readonly string subject;
    private readonly ILogger logger;

    /// <param name="folder">Where files are kept.</param>
    /// <param name="subject">What the costs are of: another machine, shape, format or number of threads has others.</param>
    /// <param name="logger">Hears of files that cannot be used or written: they are worth no failure.</param>
    public LatencyStore(string folder, string subject, ILogger logger)
    {
        (this.subject, this.logger) = (subject, logger);
        string name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(subject)))[..16];
        path = Path.Combine(folder, $"latency-{name}.json");
    }

    /// <summary>The subject of an engine.</summary>
    public static string Subject(DecoderConfig config, string format, string device, int threads) => string.Create(
        CultureInfo.InvariantCulture, $"9 {Processor()} {device} {threads} {format} {JsonSerializer.Serialize(config)}");

    /// <summary>What was kept; null when there is nothing, or it is damaged.</summary>
    public LatencyProfile? Load()
    {
        try
        {
            return File.Exists(path) && JsonSerializer.Deserialize<Kept>(File.ReadAllText(path)) is { } kept && kept.Subject == subject ? kept.Profile : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            Log.LatencyNotKept(logger, e, path);
            return null;
        }
    }

    /// <summary>Keeps a profile; written beside and renamed.</summary>
    public void Save(LatencyProfile profile)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path) ?? ".");
            string beside = $"{path}.{Guid.NewGuid():N}.tmp";
            File.WriteAllText(beside, JsonSerializer.Serialize(new Kept(subject, profile)));
            File.Move(beside, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.LatencyNotKept(logger, e, path);
        }
    }

    private static string Processor() => File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) ?? ""
        : RuntimeInformation.OSDescription;

    private sealed record Kept(string Subject, LatencyProfile Profile);
}
