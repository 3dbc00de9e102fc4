using System.Text;
using AiFabric.Engine.Tests.LlamaCpp.Interop;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>A GGUF model in llama.cpp: one sequence, keys, values and arithmetic in float32.</summary>
internal sealed unsafe class LlamaCppModel : IDisposable
{
    private readonly int vocabularySize;
    private readonly LlamaModelHandle model;
    private readonly LlamaContextHandle context;

    /// <param name="path">GGUF file.</param>
    /// <param name="positions">Context length.</param>
    /// <param name="vocabularySize">Logits of a position.</param>
    public LlamaCppModel(string path, int positions, int vocabularySize)
    {
        this.vocabularySize = vocabularySize;
        model = LlamaCppApi.llama_model_load_from_file(path, LlamaCppApi.llama_model_default_params());
        if (model.IsInvalid)
            throw new InvalidOperationException($"llama.cpp does not load {path}.");
        var parameters = LlamaCppApi.llama_context_default_params();
        parameters.Context = parameters.Batch = parameters.MicroBatch = (uint)positions;
        parameters.Threads = parameters.BatchThreads = 1;
        (parameters.KeyType, parameters.ValueType, parameters.FlashAttention) = (0, 0, 0);
        context = LlamaCppApi.llama_init_from_model(model, parameters);
        if (context.IsInvalid)
            throw new InvalidOperationException($"llama.cpp makes no context for {path}.");
    }

    /// <summary>The tokens of a text, without marks before or after it.</summary>
    public int[] Tokenize(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int[] tokens = new int[bytes.Length + 1]; // A mark of the beginning of words may join them.
        fixed (byte* source = bytes)
        fixed (int* target = tokens)
        {
            int count = LlamaCppApi.llama_tokenize(
                LlamaCppApi.llama_model_get_vocab(model), source, bytes.Length, target, tokens.Length, addSpecial: 0, parseSpecial: 0);
            return tokens[..count];
        }
    }

    /// <summary>[n · vocab]: the logits of every position of a text.</summary>
    public float[] Logits(int[] tokens)
    {
        Clear();
        Decode(tokens);
        var logits = new float[tokens.Length * vocabularySize];
        for (int i = 0; i < tokens.Length; i++)
            LogitsOf(i).CopyTo(logits.AsSpan(i * vocabularySize));
        return logits;
    }

    /// <summary>The most likely token again and again, and the smallest lead that one had over the second, in logits.</summary>
    public (int[] Tokens, float Margin) Greedy(int[] prompt, int count)
    {
        Clear();
        Decode(prompt);
        var output = new int[count];
        float margin = float.PositiveInfinity;
        for (int i = 0; i < count; i++)
        {
            (output[i], float lead) = Best(LogitsOf(i == 0 ? prompt.Length - 1 : 0));
            margin = Math.Min(margin, lead);
            if (i + 1 < count)
                Decode([output[i]]);
        }
        return (output, margin);
    }

    public void Dispose()
    {
        context.Dispose();
        model.Dispose();
    }

    private static (int Token, float Lead) Best(ReadOnlySpan<float> logits)
    {
        int best = 0;
        float second = float.NegativeInfinity;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best])
                (best, second) = (i, logits[best]);
            else
                second = Math.Max(second, logits[i]);
        }
        return (best, logits[best] - second);
    }

    private void Clear() => LlamaCppApi.llama_memory_clear(LlamaCppApi.llama_get_memory(context), data: 1);

    private void Decode(int[] tokens)
    {
        var wanted = new sbyte[tokens.Length];
        Array.Fill(wanted, (sbyte)1);
        fixed (int* token = tokens)
        fixed (sbyte* want = wanted)
        {
            int result = LlamaCppApi.llama_decode(context, new LlamaCppApi.Batch { Count = tokens.Length, Tokens = token, WantsLogits = want });
            if (result != 0)
                throw new InvalidOperationException($"llama_decode returned {result} for {tokens.Length} tokens.");
        }
    }

    private ReadOnlySpan<float> LogitsOf(int index)
    {
        float* logits = LlamaCppApi.llama_get_logits_ith(context, index);
        return logits != null ? new ReadOnlySpan<float>(logits, vocabularySize) : throw new InvalidOperationException($"llama.cpp kept no logits of {index}.");
    }
}
