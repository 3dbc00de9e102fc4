using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using AiFabric.Benchmarks.Machine;
using AiFabric.Benchmarks.Speed;

namespace AiFabric.Benchmarks.Gpu;

/// <summary>Hugging Face transformers on the same files and prompts, by <c>docs/benchmarks/gpu_transformers.py</c>; nothing is installed for it.</summary>
internal sealed class TransformersSide
{
    private const string Script = "docs/benchmarks/gpu_transformers.py";

    private readonly GpuOptions options;

    private TransformersSide(GpuOptions options, string? absent) => (this.options, Absent) = (options, absent);

    /// <summary>Why there is nothing beside ours; null when there is.</summary>
    public string? Absent { get; }

    public static async Task<TransformersSide> FindAsync(GpuOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync(options, ["-c", "import torch, transformers"], cancellationToken);
            return new TransformersSide(options, null);
        }
        catch (Exception e) when (e is BenchException or Win32Exception)
        {
            return new TransformersSide(options, $"{options.Python} has no torch and transformers");
        }
    }

    /// <returns>Tokens per second by cell, in the names of our cells.</returns>
    /// <exception cref="BenchException">The script failed.</exception>
    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(ModelFiles model, CancellationToken cancellationToken)
    {
        string text = await RunAsync(
            options,
            [
                Path.Combine(options.Repository, Script), "--model", model.Folder, "--device", options.Device,
                "--rounds", Number(options.Rounds), "--context", Number(options.ContextTokens), "--steps", Number(options.DecodeSteps),
                "--prompts", .. options.Prompts.Select(Number), "--batches", .. options.Batches.Select(Number),
            ],
            cancellationToken);
        string last = text.TrimEnd().Split('\n')[^1];
        return JsonSerializer.Deserialize<Dictionary<string, double>>(last) ?? throw new BenchException($"{Script} wrote no figures: {last}");
    }

    private static Task<string> RunAsync(GpuOptions options, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        Shell.RunAsync(options.Python, arguments, options.Repository, new Dictionary<string, string>(), cancellationToken);

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
