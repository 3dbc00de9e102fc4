using System.Diagnostics;
using AiFabric.Benchmarks.Speed.Interop;
using AiFabric.Engine.Tests.LlamaCpp.Interop;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Weights;

namespace AiFabric.Benchmarks.Speed.Serving;

/// <summary>The published worker as a process: start, memory, and what HTTP costs.</summary>
internal static class ServingBench
{
    private const int Sequences = 16;
    private const int HttpSteps = 96;
    private const string Hello = "Good morning";

    /// <summary>
    /// From the start of a process to its first token. Ours has answered over HTTP then. llama.cpp has loaded its libraries and the GGUF file and
    /// computed a prompt of as many tokens; the time its process took before that is not counted.
    /// </summary>
    public static async Task<List<SpeedRow>> StartsAsync(SpeedOptions options, ModelFiles model, SpeedFormat format, CancellationToken cancellationToken)
    {
        int vocabulary = DecoderConfig.Load(model.Folder).VocabularySize;
        int promptTokens = HuggingFaceTokenizer.Load(model.Folder).Encode(Hello).Length + 1;
        string gguf = model.Gguf(format);
        var rows = new List<SpeedRow>();
        foreach (bool warm in (bool[])[true, false])
        {
            var (ours, theirs) = (new List<double>(), new List<double>());
            for (int round = -1; round < options.Rounds; round++)
            {
                Prepare([model.Folder, .. WorkerProcess.Folders(options.Repository)], warm);
                double own = OwnFirstToken(options, model, format);
                Prepare([gguf, LlamaCppLibraries.Folder], warm);
                var peer = await PeerProcess.RunAsync(gguf, vocabulary, options.Threads, promptTokens, 0, cancellationToken);
                if (round < 0) // The first one warms the file cache, if nothing else.
                    continue;
                ours.Add(own);
                theirs.Add(peer.FirstTokenSeconds);
            }
            rows.Add(SpeedRow.Cost($"{model.Name} {format.Name} first token, {(warm ? "warm" : "cold")} files", Rates.Median(ours), Rates.Median(theirs), "s"));
        }
        return rows;
    }

    /// <summary>Decoding over HTTP beside decoding in this process, in turn; then the memory of either side's process.</summary>
    public static async Task<List<SpeedRow>> ServingAsync(
        SpeedOptions options, ModelFiles model, SpeedFormat format, OwnSide engine, CancellationToken cancellationToken)
    {
        using var worker = WorkerProcess.StartPublished(model, format, options);
        worker.WaitUntilReady();
        ChatStreams.AwaitFirstToken(worker.Port, Hello);
        long loaded = worker.ResidentBytes;
        var tokenizer = HuggingFaceTokenizer.Load(model.Folder);
        string[] texts = [.. Enumerable.Range(1, Sequences).Select(seed => Prompts.RandomText(seed, options.ContextTokens, tokenizer))];
        int[][] prompts = [.. texts.Select(text => tokenizer.Encode(text))];
        var (http, direct) = (new List<double>(), new List<double>());
        // Prompts are computed, code is compiled; either side in a process of its own.
        long start = Stopwatch.GetTimestamp();
        for (bool first = true; first || Stopwatch.GetElapsedTime(start) < 2 * options.WarmUp; first = false)
        {
            ChatStreams.DecodeRate(worker.Port, texts, HttpSteps);
            await engine.DecodeAsync(prompts, HttpSteps);
        }
        for (int round = 0; round < options.Rounds; round++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            http.Add(ChatStreams.DecodeRate(worker.Port, texts, HttpSteps));
            direct.Add(await engine.DecodeAsync(prompts, HttpSteps));
        }
        int vocabulary = DecoderConfig.Load(model.Folder).VocabularySize;
        var peer = await PeerProcess.RunAsync(model.Gguf(format), vocabulary, options.Threads, options.ContextTokens, Sequences, cancellationToken);
        string cell = $"{model.Name} {format.Name}";
        return
        [
            SpeedRow.Rate($"{cell} HTTP decode {Sequences}", Rates.Median(http), Rates.Median(direct)),
            SpeedRow.Cost($"{cell} memory when loaded", Megabytes(loaded), Megabytes(peer.LoadedBytes), "MB"),
            SpeedRow.Cost($"{cell} memory after decode {Sequences}", Megabytes(worker.ResidentBytes), Megabytes(peer.DecodedBytes), "MB"),
            SpeedRow.Cost($"{cell} memory at most", Megabytes(worker.PeakBytes), Megabytes(peer.PeakBytes), "MB"),
        ];
    }

    private static double OwnFirstToken(SpeedOptions options, ModelFiles model, SpeedFormat format)
    {
        long start = Stopwatch.GetTimestamp();
        using var worker = WorkerProcess.StartPublished(model, format, options);
        worker.WaitUntilReady();
        ChatStreams.AwaitFirstToken(worker.Port, Hello);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Prepare(string[] paths, bool warm)
    {
        if (!warm)
            FileCache.Evict(paths);
    }

    private static double Megabytes(long bytes) => bytes / 1e6;
}
