using System.Globalization;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Weights;
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

    [Fact]
    public void Models_of_one_shape_have_subjects_of_their_own_where_their_layers_see_otherwise()
    {
        int?[] windows = [null, 13, 26];
        string[] subjects = [.. windows.Select(Subject)];

        Assert.Equal(windows.Length, subjects.Distinct().Count());
        Assert.Equal(subjects, windows.Select(Subject));
    }

    private static string Subject(int? window)
    {
        string config = $$"""
            {"model_type":"mistral","num_hidden_layers":2,"hidden_size":32,"intermediate_size":48,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":300,
            "sliding_window":{{window?.ToString(CultureInfo.InvariantCulture) ?? "null"}}}
            """;
        return LatencyStore.Subject(DecoderConfig.Parse(config, "config.json"), "Float32 Auto", "cpu", 2);
    }

    private static LatencyStore Store(TemporaryFolder folder, string subject) => new(folder.Path, subject, NullLogger.Instance);
}
