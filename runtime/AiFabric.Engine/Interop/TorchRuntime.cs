using System.Runtime.InteropServices;

namespace AiFabric.Engine.Interop;

/// <summary>Loads libtorch and TorchSharp's native half before the first tensor is made.</summary>
/// <remarks>
/// Libraries are looked for in <c>LIBTORCH_DIR</c> (any libtorch 2.10 folder, with CUDA or without), then beside the program,
/// then in its <c>runtimes/linux-x64/native</c>. libLibTorchSharp.so 0.107 asks for GLIBCXX_3.4.32, which Debian 12's libstdc++ lacks
/// though no symbol of that version is needed; where it is missing, a private copy with that requirement made weak is loaded.
/// </remarks>
public static class TorchRuntime
{
    /// <summary>The environment variable that names a folder with another libtorch.</summary>
    public const string DirectoryVariable = "LIBTORCH_DIR";

    private const string Binding = "libLibTorchSharp.so";
    private const string TooNewVersion = "GLIBCXX_3.4.32";

    // In dependency order, so that each finds the ones before it whatever folder they came from.
    private static readonly string[] Libraries = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];
    private static readonly Lock Gate = new();
    private static string? loadedFrom;

    /// <summary>Loads the native libraries once; later calls, from any thread, return at once.</summary>
    /// <returns>The path of the libtorch_cpu.so in use.</returns>
    /// <exception cref="DllNotFoundException">A library is missing or cannot be loaded; the message lists the folders searched.</exception>
    public static string EnsureLoaded()
    {
        if (Volatile.Read(ref loadedFrom) is { } path)
            return path;
        lock (Gate)
        {
            return loadedFrom ??= Load(Environment.GetEnvironmentVariable(DirectoryVariable), AppContext.BaseDirectory);
        }
    }

    private static string Load(string? torchDirectory, string baseDirectory)
    {
        string[] folders = SearchFolders(torchDirectory, baseDirectory);
        foreach (string library in Libraries)
            NativeLibrary.Load(Find(library, folders));
        LoadBinding(Find(Binding, folders));
        return Find("libtorch_cpu.so", folders);
    }

    internal static string[] SearchFolders(string? torchDirectory, string baseDirectory)
    {
        string[] own = [baseDirectory, Path.Combine(baseDirectory, "runtimes", "linux-x64", "native")];
        return string.IsNullOrEmpty(torchDirectory) ? own : [Path.GetFullPath(torchDirectory), .. own];
    }

    internal static string Find(string library, string[] folders)
    {
        foreach (string folder in folders)
        {
            string path = Path.Combine(folder, library);
            if (File.Exists(path))
                return path;
        }
        throw new DllNotFoundException(
            $"{library} was found in none of: {string.Join(", ", folders)}. Build with the package libtorch-cpu-linux-x64, "
            + $"or set {DirectoryVariable} to a folder that holds libtorch 2.10 (a PyTorch wheel's torch/lib serves).");
    }

    private static void LoadBinding(string path)
    {
        if (NativeLibrary.TryLoad(path, out _))
            return;

        byte[] library = File.ReadAllBytes(path);
        if (ElfVersionNeeds.Weaken(library, TooNewVersion) == 0)
        {
            NativeLibrary.Load(path); // Not the defect we know: let the loader say what is wrong.
            return;
        }
        // The loader keeps the mapping, and TorchSharp's own dlopen meets the library by its soname, so the copy can go at once.
        var folder = Directory.CreateTempSubdirectory("aifabric-torch-");
        try
        {
            string copy = Path.Combine(folder.FullName, Binding);
            File.WriteAllBytes(copy, library);
            NativeLibrary.Load(copy);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
