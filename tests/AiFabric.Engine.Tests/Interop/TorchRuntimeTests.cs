using AiFabric.Engine.Interop;
using TorchSharp;
using Xunit;

namespace AiFabric.Engine.Tests.Interop;

public sealed class TorchRuntimeTests
{
    [Fact]
    public void Tensors_work_after_loading_from_many_threads_at_once()
    {
        var paths = new string[8];
        Parallel.For(0, paths.Length, i => paths[i] = TorchRuntime.EnsureLoaded());

        Assert.All(paths, path => Assert.Equal(paths[0], path));
        using var ones = torch.ones(2, 3);
        using var sum = ones.sum();
        Assert.Equal(6f, sum.item<float>());
    }

    [Fact]
    public void Private_copy_of_the_binding_is_gone_after_loading()
    {
        TorchRuntime.EnsureLoaded();

        string maps = File.ReadAllText("/proc/self/maps");
        string? copy = maps.Split('\n').Select(line => line[(line.IndexOf('/', StringComparison.Ordinal) + 1)..]).FirstOrDefault(p => p.Contains("aifabric-torch-"));
        Assert.True(copy is null || copy.EndsWith("(deleted)", StringComparison.Ordinal));
    }

    [Fact]
    public void Missing_libtorch_is_reported_with_folders_and_remedy()
    {
        string[] folders = TorchRuntime.SearchFolders("/nowhere/torch", "/nowhere/app");

        var error = Assert.Throws<DllNotFoundException>(() => TorchRuntime.Find("libtorch_cpu.so", folders));

        Assert.Contains("/nowhere/torch, /nowhere/app, /nowhere/app/runtimes/linux-x64/native", error.Message, StringComparison.Ordinal);
        Assert.Contains("LIBTORCH_DIR", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Named_folder_is_searched_before_the_programs_own()
    {
        Assert.Equal(["/torch", "/app", "/app/runtimes/linux-x64/native"], TorchRuntime.SearchFolders("/torch", "/app"));
        Assert.Equal(["/app", "/app/runtimes/linux-x64/native"], TorchRuntime.SearchFolders("", "/app"));
    }

    [Fact]
    public void Weakening_changes_one_flag_of_the_binding_and_nothing_else()
    {
        string path = TorchRuntime.Find("libLibTorchSharp.so", TorchRuntime.SearchFolders(null, AppContext.BaseDirectory));
        byte[] before = File.ReadAllBytes(path);
        byte[] after = [.. before];

        Assert.Equal(1, ElfVersionNeeds.Weaken(after, "GLIBCXX_3.4.32"));

        Assert.Equal(1, Enumerable.Range(0, before.Length).Count(i => before[i] != after[i]));
        Assert.Equal(0, ElfVersionNeeds.Weaken(after, "GLIBCXX_9.9.99"));
    }

    [Fact]
    public void Weakening_leaves_other_files_alone()
    {
        Assert.Equal(0, ElfVersionNeeds.Weaken("no ELF at all"u8.ToArray(), "GLIBCXX_3.4.32"));
        Assert.Equal(0, ElfVersionNeeds.Weaken(new byte[100], "GLIBCXX_3.4.32"));
    }
}
