using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.Speed.Serving;

/// <summary>What llama.cpp needed in a process of its own. Bytes are above what the process had before the first of llama.cpp was loaded.</summary>
/// <param name="FirstTokenSeconds">From before its libraries are loaded until the first token.</param>
/// <param name="LoadedBytes">Resident after that.</param>
/// <param name="DecodedBytes">Resident after a decode of several sequences; 0 when none was asked for.</param>
/// <param name="PeakBytes">Highest.</param>
internal sealed record PeerFigures(double FirstTokenSeconds, long LoadedBytes, long DecodedBytes, long PeakBytes);

/// <summary>llama.cpp in a process that does one thing and reports: this executable with the verb <c>peer</c>.</summary>
internal static class PeerProcess
{
    private const int Positions = 512;

    /// <summary>Runs the child.</summary>
    /// <param name="gguf">The model.</param>
    /// <param name="vocabulary">Tokens it knows.</param>
    /// <param name="threads">Threads that compute.</param>
    /// <param name="promptTokens">Tokens of the prompt before the first token.</param>
    /// <param name="sequences">Then so many sequences decode together; 0 for none.</param>
    /// <param name="cancellationToken">Stops waiting for it.</param>
    public static async Task<PeerFigures> RunAsync(string gguf, int vocabulary, int threads, int promptTokens, int sequences, CancellationToken cancellationToken)
    {
        string program = Environment.ProcessPath ?? throw new BenchException("the benchmark's own executable cannot be found");
        string[] arguments = ["peer", gguf, .. ((int[])[vocabulary, threads, promptTokens, sequences]).Select(number => number.ToString(CultureInfo.InvariantCulture))];
        string output = await Shell.RunAsync(program, arguments, "/", new Dictionary<string, string>(), cancellationToken);
        return JsonSerializer.Deserialize<PeerFigures>(output) ?? throw new BenchException("llama.cpp's process said nothing");
    }

    /// <summary>The child's work.</summary>
    public static PeerFigures Measure(string gguf, int vocabulary, int threads, int promptTokens, int sequences)
    {
        int[][] prompts = [.. Enumerable.Range(1, Math.Max(1, sequences)).Select(seed => Prompts.Random(seed, promptTokens, vocabulary))];
        int id = Environment.ProcessId;
        long before = ProcessUse.ResidentBytes(id), start = Stopwatch.GetTimestamp();
        using var peer = new PeerSide(gguf, vocabulary, threads, Positions * prompts.Length, prompts.Length);
        peer.Prefill(prompts[0]);
        double first = Stopwatch.GetElapsedTime(start).TotalSeconds;
        long loaded = ProcessUse.ResidentBytes(id), decoded = 0;
        if (sequences > 0)
        {
            peer.Decode(prompts, steps: 24);
            decoded = ProcessUse.ResidentBytes(id) - before;
        }
        return new PeerFigures(first, loaded - before, decoded, ProcessUse.PeakBytes(id) - before);
    }
}
