using Microsoft.Win32.SafeHandles;

namespace AiFabric.Engine.Tests.LlamaCpp.Interop;

/// <summary>A <c>llama_model</c>.</summary>
internal sealed class LlamaModelHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    protected override bool ReleaseHandle()
    {
        LlamaCppApi.llama_model_free(handle);
        return true;
    }
}

/// <summary>A <c>llama_context</c>; to be disposed before its model.</summary>
internal sealed class LlamaContextHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    protected override bool ReleaseHandle()
    {
        LlamaCppApi.llama_free(handle);
        return true;
    }
}
