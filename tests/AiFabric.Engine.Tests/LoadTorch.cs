using System.Runtime.CompilerServices;
using AiFabric.Engine.Interop;

namespace AiFabric.Engine.Tests;

/// <summary>Loads libtorch before any test: whichever first names a device would otherwise trigger TorchSharp's own search, which fails.</summary>
internal static class LoadTorch
{
    [ModuleInitializer]
    internal static void Initialize() => TorchRuntime.EnsureLoaded();
}
