using AiFabric.Engine.Interop;
using Xunit;

namespace AiFabric.Engine.Tests.Interop;

public sealed class FolderStorageTests
{
    [Theory]
    [InlineData("made")]
    [InlineData("made/")]
    public void A_folder_is_made_with_its_parents_and_nothing_beside_it(string name)
    {
        using var folder = new TemporaryFolder();
        FolderStorage.Write(folder.File("above/" + name), place => File.WriteAllText(Path.Combine(place, "file"), "text"));
        Assert.Equal("text", File.ReadAllText(folder.File("above/made/file")));
        Assert.Equal(["made"], Directory.GetFileSystemEntries(folder.File("above")).Select(Path.GetFileName));
    }

    [Fact]
    public void A_folder_is_replaced_with_all_its_files()
    {
        using var folder = new TemporaryFolder();
        FolderStorage.Write(folder.File("made"), place => File.WriteAllText(Path.Combine(place, "old"), ""));
        FolderStorage.Write(folder.File("made"), place => File.WriteAllText(Path.Combine(place, "new"), ""));
        Assert.Equal(["new"], Directory.GetFiles(folder.File("made")).Select(Path.GetFileName));
        Assert.Single(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_write_that_fails_leaves_what_was_there()
    {
        using var folder = new TemporaryFolder();
        FolderStorage.Write(folder.File("made"), place => File.WriteAllText(Path.Combine(place, "old"), ""));
        Assert.Throws<IOException>(() => FolderStorage.Write(folder.File("made"), place =>
        {
            File.WriteAllText(Path.Combine(place, "half"), "");
            throw new IOException("No space left on device");
        }));
        Assert.Equal(["old"], Directory.GetFiles(folder.File("made")).Select(Path.GetFileName));
        Assert.Single(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void What_a_killed_write_left_is_removed_by_the_next()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File(".tmp-made-0123"));
        Directory.CreateDirectory(folder.File(".tmp-other-0123"));
        FolderStorage.Write(folder.File("made"), place => File.WriteAllText(Path.Combine(place, "file"), ""));
        Assert.Equal([".tmp-other-0123", "made"], Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }
}
