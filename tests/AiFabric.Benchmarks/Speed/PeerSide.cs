using System.Diagnostics;
using AiFabric.Engine.Tests.LlamaCpp.Interop;

namespace AiFabric.Benchmarks.Speed;

/// <summary>llama.cpp through its C API: no server, no sampler but the most likely token, its own choice of kernels and cache format.</summary>
internal sealed unsafe class PeerSide : IDisposable
{
    private const int MicroBatch = 512;

    private readonly int vocabulary;
    private readonly LlamaModelHandle model;
    private readonly LlamaContextHandle context;
    private int filled;

    /// <param name="gguf">The model.</param>
    /// <param name="vocabulary">Tokens it knows.</param>
    /// <param name="threads">Threads that compute.</param>
    /// <param name="positions">What the cache holds, over all sequences.</param>
    /// <param name="sequences">Sequences at the same time.</param>
    public PeerSide(string gguf, int vocabulary, int threads, int positions, int sequences)
    {
        this.vocabulary = vocabulary;
        model = LlamaCppApi.llama_model_load_from_file(gguf, LlamaCppApi.llama_model_default_params());
        var parameters = LlamaCppApi.llama_context_default_params();
        (parameters.Context, parameters.Batch, parameters.MicroBatch, parameters.Sequences) = ((uint)positions, MicroBatch, MicroBatch, (uint)sequences);
        parameters.Threads = parameters.BatchThreads = threads;
        context = LlamaCppApi.llama_init_from_model(model, parameters);
        if (model.IsInvalid || context.IsInvalid)
            throw new BenchException($"llama.cpp does not load {gguf}");
    }

    /// <summary>Prompt tokens per second until the last one's logits are there.</summary>
    public double Prefill(int[] prompt)
    {
        Clear();
        long start = Stopwatch.GetTimestamp();
        Compute(prompt, 0, 0);
        Best(prompt.Length - 1);
        return prompt.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Tokens per second while all sequences decode. Prompts are computed in the first of several equal calls.</summary>
    public double Decode(int[][] prompts, int steps)
    {
        nint memory = LlamaCppApi.llama_get_memory(context);
        if (filled != prompts.Length)
        {
            Clear();
            for (int sequence = 0; sequence < prompts.Length; sequence++)
                Compute(prompts[sequence], sequence, 0);
            filled = prompts.Length;
        }
        int position = prompts[0].Length;
        for (int sequence = 0; sequence < prompts.Length; sequence++)
            LlamaCppApi.llama_memory_seq_rm(memory, sequence, position, -1);
        int[] tokens = [.. prompts.Select(prompt => prompt[^1])];
        Step(tokens, position);
        long start = Stopwatch.GetTimestamp();
        for (int step = 1; step <= steps; step++)
            Step(tokens, position + step);
        return (double)steps * tokens.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public void Dispose()
    {
        context.Dispose();
        model.Dispose();
    }

    private void Clear()
    {
        LlamaCppApi.llama_memory_clear(LlamaCppApi.llama_get_memory(context), data: 0);
        filled = 0;
    }

    private void Step(int[] tokens, int position)
    {
        Compute(tokens, [.. Enumerable.Repeat(position, tokens.Length)], [.. Enumerable.Range(0, tokens.Length)], lastOnly: false);
        for (int i = 0; i < tokens.Length; i++)
            tokens[i] = Best(i);
    }

    private void Compute(int[] prompt, int sequence, int position) => Compute(
        prompt, [.. Enumerable.Range(position, prompt.Length)], [.. Enumerable.Repeat(sequence, prompt.Length)], lastOnly: true);

    private void Compute(int[] tokens, int[] positions, int[] sequences, bool lastOnly)
    {
        int count = tokens.Length;
        int[] sequenceCounts = [.. Enumerable.Repeat(1, count)];
        var wanted = new sbyte[count];
        Array.Fill(wanted, (sbyte)(lastOnly ? 0 : 1));
        wanted[^1] = 1;
        int** lists = stackalloc int*[count];
        fixed (int* token = tokens, at = positions, of = sequences, one = sequenceCounts)
        fixed (sbyte* want = wanted)
        {
            for (int i = 0; i < count; i++)
                lists[i] = of + i;
            var batch = new LlamaCppApi.Batch { Count = count, Tokens = token, Positions = at, SequenceCounts = one, Sequences = lists, WantsLogits = want };
            int result = LlamaCppApi.llama_decode(context, batch);
            if (result != 0)
                throw new BenchException($"llama_decode returned {result} for {count} tokens");
        }
    }

    private int Best(int index)
    {
        float* logits = LlamaCppApi.llama_get_logits_ith(context, index);
        int best = 0;
        for (int i = 1; i < vocabulary; i++)
            best = logits[i] > logits[best] ? i : best;
        return best;
    }
}
