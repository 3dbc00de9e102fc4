namespace AiFabric.Engine.Tests.LlamaCpp.Interop;

/// <summary>Where <c>tests/prepare.sh</c> puts llama.cpp's shared libraries. Apart from the binding, which loads them when it is first touched.</summary>
internal static class LlamaCppLibraries
{
    public const string Llama = "libllama.v0.5.0.so";
    public const string Ggml = "libggml.v0.5.0.so";
    public const string GgmlBase = "libggml-base.so";

    public static string Folder { get; } = Path.Combine(
        RepositoryRoot(AppContext.BaseDirectory), "tests/npm/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64");

    public static bool AreInstalled => File.Exists(Path.Combine(Folder, Llama));

    private static string RepositoryRoot(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : RepositoryRoot(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the program"));
}
