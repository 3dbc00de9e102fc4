using AiFabric.Engine.Execution;
using AiFabric.Engine.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Engine.Tests.Execution;

public sealed class LatencyStoreTests
{
    private static readonly LatencyProfile Profile = new([1, 2, 3, 4, 5.5], [3, 2, 3, 4, 5.5], [1, 2, 3, 4, 5], [2, 4, 6, 8, 10], [2, 3, 4, 5, 6], 128, 2_048, 1.2, 0.8, 0.9);

    [Fact]
    public void What_is_kept_is_found_again_by_the_same_subject_alone()
    {
        using var folder = new TemporaryFolder();
        Store(folder, "cpu 2").Save(Profile);
        Store(folder, "cpu 2").Save(Profile with { LargestWindow = 256 });

        var found = Store(folder, "cpu 2").Load();

        Assert.Equal((256, 2_048), (found?.LargestWindow, found?.LargestSlice));
        Assert.Equal(Profile.Forward, found?.Forward);
        Assert.Equal(Profile.ForwardWindow, found?.ForwardWindow);
        Assert.Equal(Profile.Backward, found?.Backward);
        Assert.Equal(Profile.ForwardBeside, found?.ForwardBeside);
        Assert.Equal(Profile.BackwardBeside, found?.BackwardBeside);
        Assert.Null(Store(folder, "cpu 4").Load());
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_damaged_file_is_as_none()
    {
        using var folder = new TemporaryFolder();
        Store(folder, "cpu 2").Save(Profile);
        File.WriteAllText(Directory.GetFiles(folder.Path)[0], "{");

        Assert.Null(Store(folder, "cpu 2").Load());
    }

    private static LatencyStore Store(TemporaryFolder folder, string subject) => new(folder.Path, subject, NullLogger.Instance);
}
