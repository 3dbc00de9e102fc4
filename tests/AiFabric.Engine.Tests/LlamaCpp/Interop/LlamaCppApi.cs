using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AiFabric.Engine.Tests.LlamaCpp.Interop;

/// <summary>The few functions of llama.cpp that a comparison needs. Source: include/llama.h of release v0.5.0.</summary>
internal static unsafe partial class LlamaCppApi
{
    private const string Llama = LlamaCppLibraries.Llama;
    private const string Ggml = LlamaCppLibraries.Ggml;

    static LlamaCppApi()
    {
        NativeLibrary.SetDllImportResolver(Assembly.GetExecutingAssembly(), Resolve);
        llama_log_set(&Ignore, null);
        ggml_backend_load_all_from_path(LlamaCppLibraries.Folder); // Picks the build for this processor.
        llama_backend_init();
    }

    [LibraryImport(Llama)]
    public static partial ModelParameters llama_model_default_params();

    [LibraryImport(Llama)]
    public static partial ContextParameters llama_context_default_params();

    [LibraryImport(Llama, StringMarshalling = StringMarshalling.Utf8)]
    public static partial LlamaModelHandle llama_model_load_from_file(string path, ModelParameters parameters);

    [LibraryImport(Llama)]
    public static partial LlamaContextHandle llama_init_from_model(LlamaModelHandle model, ContextParameters parameters);

    [LibraryImport(Llama)]
    public static partial nint llama_model_get_vocab(LlamaModelHandle model);

    /// <returns>Tokens written, or minus the number needed. The flags are C bools.</returns>
    [LibraryImport(Llama)]
    public static partial int llama_tokenize(nint vocabulary, byte* text, int textBytes, int* tokens, int capacity, byte addSpecial, byte parseSpecial);

    /// <returns>0 on success.</returns>
    [LibraryImport(Llama)]
    public static partial int llama_decode(LlamaContextHandle context, Batch batch);

    /// <returns>[vocab], valid until the next call that computes; null when the position's logits were not asked for.</returns>
    [LibraryImport(Llama)]
    public static partial float* llama_get_logits_ith(LlamaContextHandle context, int index);

    [LibraryImport(Llama)]
    public static partial nint llama_get_memory(LlamaContextHandle context);

    [LibraryImport(Llama)]
    public static partial void llama_memory_clear(nint memory, byte data);

    /// <summary>Forgets a sequence's positions from one on; -1 stands for all behind it.</summary>
    /// <returns>A C bool.</returns>
    [LibraryImport(Llama)]
    public static partial byte llama_memory_seq_rm(nint memory, int sequence, int from, int to);

    [LibraryImport(Llama)]
    internal static partial void llama_free(nint context);

    [LibraryImport(Llama)]
    internal static partial void llama_model_free(nint model);

    [LibraryImport(Llama)]
    private static partial void llama_backend_init();

    [LibraryImport(Llama)]
    private static partial void llama_log_set(delegate* unmanaged[Cdecl]<int, byte*, void*, void> callback, void* data);

    [LibraryImport(Ggml, StringMarshalling = StringMarshalling.Utf8)]
    private static partial void ggml_backend_load_all_from_path(string folder);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Ignore(int level, byte* text, void* data)
    {
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) =>
        name is Llama or Ggml or LlamaCppLibraries.GgmlBase ? NativeLibrary.Load(Path.Combine(LlamaCppLibraries.Folder, name)) : 0;

    /// <summary>Passed through unchanged. Larger than the real one, which is harmless: both ways go through memory (System V ABI).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 512)]
    public struct ModelParameters;

    /// <summary>The fields that are set here; the others keep what <see cref="llama_context_default_params"/> put there.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 512)]
    public struct ContextParameters
    {
        /// <summary>Positions.</summary>
        [FieldOffset(0)]
        public uint Context;

        /// <summary>Tokens of one call at most.</summary>
        [FieldOffset(4)]
        public uint Batch;

        /// <summary>Tokens computed at once.</summary>
        [FieldOffset(8)]
        public uint MicroBatch;

        /// <summary>Sequences at the same time.</summary>
        [FieldOffset(12)]
        public uint Sequences;

        [FieldOffset(28)]
        public int Threads;

        [FieldOffset(32)]
        public int BatchThreads;

        /// <summary>-1 as llama.cpp likes, 0 off, 1 on.</summary>
        [FieldOffset(52)]
        public int FlashAttention;

        /// <summary>Element type of cached keys: 0 float32, 1 float16.</summary>
        [FieldOffset(104)]
        public int KeyType;

        /// <summary>Element type of cached values.</summary>
        [FieldOffset(108)]
        public int ValueType;
    }

    /// <summary>Tokens to compute; null pointers mean: positions go on, sequence 0.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Batch
    {
        public int Count;
        public int* Tokens;
        public float* Embeddings;
        public int* Positions;
        public int* SequenceCounts;
        public int** Sequences;

        /// <summary>[n] whether a token's logits are wanted.</summary>
        public sbyte* WantsLogits;
    }
}
