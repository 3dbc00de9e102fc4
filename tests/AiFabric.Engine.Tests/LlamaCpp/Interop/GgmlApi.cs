using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AiFabric.Engine.Tests.LlamaCpp.Interop;

/// <summary>How ggml stores numbers. Source: ggml/include/ggml.h of the llama.cpp release v0.5.0.</summary>
internal static unsafe partial class GgmlApi
{
    private const string Base = LlamaCppLibraries.GgmlBase;

    static GgmlApi() => RuntimeHelpers.RunClassConstructor(typeof(LlamaCppApi).TypeHandle); // It finds the libraries.

    /// <summary>What ggml says of a type.</summary>
    public static ref readonly TypeTraits Traits(uint type) => ref *ggml_get_type_traits(type);

    /// <summary>Restores a row.</summary>
    public static void Restore(uint type, ReadOnlySpan<byte> row, Span<float> to)
    {
        fixed (byte* source = row)
        fixed (float* target = to)
            Traits(type).ToFloat(source, target, to.Length);
    }

    /// <summary>Stores a matrix [rows, columns].</summary>
    /// <returns>Its rows, one after the other.</returns>
    public static byte[] Quantize(uint type, ReadOnlySpan<float> values, long columns)
    {
        long rows = values.Length / columns;
        var stored = new byte[rows * (long)ggml_row_size(type, columns)];
        fixed (float* source = values)
        fixed (byte* target = stored)
        {
            nuint written = ggml_quantize_chunk(type, source, target, 0, rows, columns, null);
            return written == (nuint)stored.Length ? stored : throw new InvalidOperationException($"ggml wrote {written} bytes instead of {stored.Length}.");
        }
    }

    [LibraryImport(Base)]
    public static partial nuint ggml_row_size(uint type, long columns);

    [LibraryImport(Base)]
    private static partial TypeTraits* ggml_get_type_traits(uint type);

    [LibraryImport(Base)]
    private static partial nuint ggml_quantize_chunk(uint type, float* source, void* target, long start, long rows, long columns, float* importance);

    /// <summary>The front of <c>ggml_type_traits</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly struct TypeTraits
    {
        private readonly byte* name;

        /// <summary>Numbers of a block.</summary>
        public readonly long BlockElements;

        private readonly long blockElementsInterleaved;

        /// <summary>Bytes of a block.</summary>
        public readonly nuint BlockBytes;

        private readonly byte isQuantized;

        /// <summary>Restores a number of elements.</summary>
        public readonly delegate* unmanaged[Cdecl]<void*, float*, long, void> ToFloat;

        public string Name => Marshal.PtrToStringUTF8((nint)name) ?? "";
    }
}
