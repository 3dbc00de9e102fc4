using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.Training;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Adapters;

/// <summary>Both ways between this engine and Hugging Face PEFT, by the form of its files: <c>tests/golden/peft</c>.</summary>
public sealed class PeftGoldenTests
{
    private static readonly string Golden = Path.Combine(DemoModel.RepositoryRoot, "tests", "golden", "peft");

    [Theory]
    [InlineData("lora")]
    [InlineData("dora")]
    [InlineData("ia3")]
    public void A_folder_that_PEFT_wrote_is_read(string name)
    {
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(Golden, name + ".json"), folder.File(PeftFolder.ConfigFile));
        WriteTensors(folder, Tensors(name));
        using AdapterValues values = PeftFolder.Read(folder.Path, TinyModel.Config, ScalarType.Float32, CPU);
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using PeftAdapter adapter = PeftFolder.Load(folder.Path, weights, "named");

        Assert.Equal(Tensors(name).Count, values.Tensors.Count);
        Assert.Equal(("named", PeftFolder.DigestOf(folder.Path)), (adapter.Name, adapter.Digest));
        switch (name)
        {
            case "lora":
                var lora = Assert.IsType<LoraMethod>(values.Method);
                Assert.Equal((8, 16.0, true, 0.1, 16 / Math.Sqrt(8)), (lora.Rank, lora.Alpha, lora.RankStabilized, lora.Dropout, lora.Scale));
                Assert.Equal([LoraTarget.Query, LoraTarget.Value], lora.Targets);
                break;
            case "dora":
                var dora = Assert.IsType<DoraMethod>(values.Method);
                Assert.Equal((4, 4.0), (dora.Rank, dora.Scale));
                Assert.NotNull(adapter[1, LoraTarget.Up]?.OutputScale);
                break;
            default:
                Assert.IsType<Ia3Method>(values.Method);
                Assert.Equal((48L, 16L), (adapter[0, LoraTarget.Down]?.InputScale?.shape[0], adapter[0, LoraTarget.Key]?.OutputScale?.shape[0]));
                break;
        }
    }

    [Theory]
    [InlineData("lora")]
    [InlineData("dora")]
    [InlineData("ia3")]
    public void What_is_written_has_the_fields_tensors_and_shapes_that_PEFT_writes(string name)
    {
        using var folder = new TemporaryFolder();
        PeftMethod method = name switch
        {
            "lora" => new LoraMethod { Rank = 8, Alpha = 16, Dropout = 0.1, RankStabilized = true, Targets = [LoraTarget.Value, LoraTarget.Query] },
            "dora" => new DoraMethod { Rank = 4, Alpha = 16, Targets = [LoraTarget.Output, LoraTarget.Up] },
            _ => new Ia3Method(),
        };
        using (AdapterValues values = RandomAdapter.Values(method, TinyModel.Config, 1))
            PeftFolder.Save(values, TinyModel.Config, folder.File("adapter"), "tiny");

        using SafetensorsFile file = SafetensorsFile.Open(folder.File("adapter/" + PeftFolder.WeightsFile));
        Assert.Equal(Tensors(name), file.Tensors.ToDictionary(tensor => tensor.Key, tensor => string.Join(", ", tensor.Value.Shape)));
        JsonObject golden = Config(Path.Combine(Golden, name + ".json")), written = Config(folder.File("adapter/" + PeftFolder.ConfigFile));
        foreach ((string field, JsonNode? value) in written)
        {
            Assert.True(golden.ContainsKey(field), $"PEFT knows no field {field}.");
            Assert.Equal(Canonical(golden[field]), Canonical(value));
        }
    }

    [Fact]
    public void A_magnitude_vector_under_its_longer_name_is_read_too()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(Golden, "dora.json"), folder.File(PeftFolder.ConfigFile));
        WriteTensors(folder, Tensors("dora").ToDictionary(t => t.Key.EndsWith("vector", StringComparison.Ordinal) ? t.Key + ".weight" : t.Key, t => t.Value));
        using AdapterValues values = PeftFolder.Read(folder.Path, TinyModel.Config, ScalarType.Float32, CPU);
        Assert.Equal(12, values.Tensors.Count);
    }

    [Theory]
    [InlineData("[\"k_proj\"]", "feedforward_modules names k_proj, whose input other modules read too; supported are o_proj and down_proj")]
    [InlineData("[\"o_proj\"]", "feedforward_modules names o_proj, which is not in target_modules")]
    public void Feed_forward_modules_that_cannot_be_scaled_are_refused(string modules, string message)
    {
        using var folder = new TemporaryFolder();
        JsonObject config = Config(Path.Combine(Golden, "ia3.json"));
        config["feedforward_modules"] = JsonNode.Parse(modules);
        File.WriteAllText(folder.File(PeftFolder.ConfigFile), config.ToJsonString());
        var refusal = Assert.Throws<CheckpointException>(() => PeftFolder.Read(folder.Path, TinyModel.Config, ScalarType.Float32, CPU));
        Assert.Contains(message, refusal.Message);
    }

    private static void WriteTensors(TemporaryFolder folder, Dictionary<string, string> shapes)
    {
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(
            folder.File(PeftFolder.WeightsFile),
            [.. shapes.Select(shape => new KeyValuePair<string, Tensor>(shape.Key, rand([.. shape.Value.Split(", ").Select(long.Parse)])))]);
    }

    // Name → shape, as text.
    private static Dictionary<string, string> Tensors(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(Golden, "tensors.json")));
        return document.RootElement.GetProperty(name).EnumerateObject().ToDictionary(
            tensor => tensor.Name, tensor => string.Join(", ", tensor.Value.EnumerateArray().Select(size => size.GetInt64())));
    }

    private static JsonObject Config(string path) => JsonNode.Parse(File.ReadAllText(path))?.AsObject() ?? throw new InvalidDataException(path);

    // PEFT keeps module names as a set, in no order.
    private static string Canonical(JsonNode? value) => value switch
    {
        JsonArray list => string.Join(' ', list.Select(item => item?.ToString()).Order()),
        JsonValue number when number.GetValueKind() == JsonValueKind.Number => ((double)number).ToString("R"),
        _ => value?.ToJsonString() ?? "null",
    };
}
