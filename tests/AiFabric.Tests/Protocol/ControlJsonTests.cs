using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using Xunit;

namespace AiFabric.Tests.Protocol;

public sealed class ControlJsonTests
{
    private const string Smallest = """{"job":"j","dataset":{"uri":"file:///d"},"checkpointUri":"file:///c","outputUri":"file:///o"}""";

    [Fact]
    public void Absent_fields_take_their_defaults()
    {
        var request = JsonSerializer.Deserialize(Smallest, ControlJson.Default.TrainingRequest)!; // The text is no null.
        Assert.Equal((10, 2, false), (request.CheckpointIntervalSteps, request.CheckpointRetain, request.Suspend));
        Assert.Equal((16, 32), (request.Lora.Rank, request.Lora.Alpha));
        Assert.Empty(request.Lora.TargetModules);
        Assert.Equal((5e-4, 1, 4, 256, 1.0), (
            request.Hyperparameters.LearningRate, request.Hyperparameters.Epochs, request.Hyperparameters.BatchSize,
            request.Hyperparameters.SequenceLength, request.Hyperparameters.MaxGradientNorm));
        var partly = JsonSerializer.Deserialize(Smallest.Insert(1, "\"lora\":{\"rank\":4},\"hyperparameters\":{\"epochs\":3},"), ControlJson.Default.TrainingRequest)!; // Likewise.
        Assert.Equal((4, 32, 3, 4), (partly.Lora.Rank, partly.Lora.Alpha, partly.Hyperparameters.Epochs, partly.Hyperparameters.BatchSize));
    }

    [Theory]
    [InlineData("\"lora\":null,")]
    [InlineData("\"epochs\":3,")]
    [InlineData("\"hyperparameters\":{\"epoch\":3},")]
    public void Unknown_fields_and_nulls_are_errors(string field) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(Smallest.Insert(1, field), ControlJson.Default.TrainingRequest));

    [Fact]
    public void What_is_written_is_read_again()
    {
        var status = new TrainingStatus { Uid = "u", State = TrainingState.Running, Step = 3, Loss = 1.5, Error = new TrainingError { Reason = "R", Message = "m" } };
        Assert.Equal(status, JsonSerializer.Deserialize(JsonSerializer.Serialize(status, ControlJson.Default.TrainingStatus), ControlJson.Default.TrainingStatus));
    }
}
