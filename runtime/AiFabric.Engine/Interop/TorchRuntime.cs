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

    private const string CudaLibrary = "libtorch_cuda.so";
    private const string Binding = "libLibTorchSharp.so";
    private const string TooNewVersion = "GLIBCXX_3.4.32";

    // In dependency order, so that each finds the ones before it whatever folder they came from. A libtorch without CUDA lacks those that are optional;
    // libtorch itself comes last, because with CUDA it needs them.
    private static readonly (string Name, bool IsOptional)[] Libraries =
        [("libc10.so", false), ("libtorch_cpu.so", false), ("libc10_cuda.so", true), (CudaLibrary, true), ("libtorch.so", false)];
    private static readonly Lock Gate = new();
    private static string? loadedFrom;
    private static nint binding;
    private static bool withCuda;

    /// <summary>Whether libtorch was built with CUDA and finds a device.</summary>
    /// <exception cref="DllNotFoundException">libtorch is missing.</exception>
    public static bool HasCuda
    {
        get
        {
            // Without CUDA's library the answer is known before the others are loaded, which takes a third of a second.
            if (!HasCudaLibrary(SearchFolders(Environment.GetEnvironmentVariable(DirectoryVariable), AppContext.BaseDirectory)))
                return false;
            EnsureLoaded();
            return withCuda && TorchSharp.torch.TryInitializeDeviceType(TorchSharp.DeviceType.CUDA);
        }
    }

    /// <summary>Whether somebody has needed it yet.</summary>
    public static bool IsLoaded => Volatile.Read(ref loadedFrom) is not null;

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

    /// <summary>A function of TorchSharp's native half.</summary>
    /// <exception cref="DllNotFoundException">libtorch is missing.</exception>
    internal static nint BindingExport(string name)
    {
        EnsureLoaded();
        return NativeLibrary.GetExport(binding, name);
    }

    private static string Load(string? torchDirectory, string baseDirectory)
    {
        HugePages.AdviseTensors();
        string[] folders = SearchFolders(torchDirectory, baseDirectory);
        string folder = FolderOf(folders);
        foreach (var (library, isOptional) in Libraries)
        {
            // CUDA's libraries must be those of the same build, so they are looked for beside the others only.
            string path = isOptional ? Path.Combine(folder, library) : Find(library, folders);
            if (isOptional && !File.Exists(path))
                continue;
            NativeLibrary.Load(path);
            withCuda |= library == CudaLibrary;
        }
        binding = LoadBinding(Find(Binding, folders));
        return Find("libtorch_cpu.so", folders);
    }

    private static string FolderOf(string[] folders) => Path.GetDirectoryName(Find("libtorch_cpu.so", folders)) ?? "/";

    private static bool HasCudaLibrary(string[] folders) => File.Exists(Path.Combine(FolderOf(folders), CudaLibrary));

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

    private static nint LoadBinding(string path)
    {
        if (NativeLibrary.TryLoad(path, out nint loaded))
            return loaded;

        byte[] library = File.ReadAllBytes(path);
        if (ElfVersionNeeds.Weaken(library, TooNewVersion) == 0)
            return NativeLibrary.Load(path); // Not the defect we know: let the loader say what is wrong.
        // The loader keeps the mapping, and TorchSharp's own dlopen meets the library by its soname, so the copy can go at once.
        var folder = Directory.CreateTempSubdirectory("aifabric-torch-");
        try
        {
            string copy = Path.Combine(folder.FullName, Binding);
            File.WriteAllBytes(copy, library);
            return NativeLibrary.Load(copy);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
