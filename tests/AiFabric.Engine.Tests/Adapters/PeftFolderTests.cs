using System.Text.Json.Nodes;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.Training;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Adapters;

public sealed class PeftFolderTests
{
    [Fact]
    public void An_adapter_survives_saving_and_loading()
    {
        using var folder = new TemporaryFolder();
        string place = Save(folder, [LoraTarget.Query, LoraTarget.Down], out float[] values, out string digest);
        long before = LiveTensors.Settled();
        using (AdapterValues loaded = Read(place))
        {
            Assert.Equal((8, 2.0), (loaded.Method.Rank, ((LoraMethod)loaded.Method).Scale));
            Assert.True(loaded[0, LoraTarget.Key].IsEmpty);
            Assert.Equal(values, Numbers(loaded));
            using PeftAdapter adapter = loaded.Build("adapter", null, digest);
            Assert.Equal(("adapter", 8, digest), (adapter.Name, adapter.Rank, adapter.Digest));
            Assert.Null(adapter[0, LoraTarget.Key]);
        }

        Assert.Equal(before, Tensor.TotalCount);
        Assert.Equal(digest, PeftFolder.DigestOf(place));
    }

    [Fact]
    public void The_files_have_the_names_that_PEFT_gives_them()
    {
        using var folder = new TemporaryFolder();
        string place = Save(folder, [LoraTarget.Query, LoraTarget.Gate], out _, out _);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(place, "adapter_model.safetensors"));
        Assert.Equal([8, 32], file.Tensors["base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"].Shape);
        Assert.Equal([48, 8], file.Tensors["base_model.model.model.layers.0.mlp.gate_proj.lora_B.weight"].Shape);
        Assert.Equal(8, file.Tensors.Count);
        JsonNode? config = JsonNode.Parse(File.ReadAllText(Path.Combine(place, "adapter_config.json")));
        Assert.Equal("""["q_proj","gate_proj"]""", config?["target_modules"]?.ToJsonString());
        Assert.Equal(("LORA", 8, 16), ((string?)config?["peft_type"], (int?)config?["r"], (int?)config?["lora_alpha"]));
    }

    public static TheoryData<string> MethodNames => [.. RandomAdapter.MethodNames];

    [Theory]
    [MemberData(nameof(MethodNames))]
    public void Every_method_survives_saving_and_loading(string name)
    {
        using var folder = new TemporaryFolder();
        PeftMethod method = RandomAdapter.Methods[name];
        string place = Save(folder, method, out float[] values, out _);
        using AdapterValues loaded = Read(place);
        Assert.Equal(values, Numbers(loaded));
        Assert.Equal(
            (method.GetType(), method.Rank, (method as LoraMethod)?.Scale), (loaded.Method.GetType(), loaded.Method.Rank, (loaded.Method as LoraMethod)?.Scale));
        Assert.Equal(method.EffectiveTargets, loaded.Method.Targets);
    }

    [Fact]
    public void A_folder_is_replaced_whole()
    {
        using var folder = new TemporaryFolder();
        Save(folder, [LoraTarget.Query], out _, out string first);
        string place = Save(folder, [LoraTarget.Key], out _, out string second);
        Assert.NotEqual(first, second);
        Assert.Equal(second, PeftFolder.DigestOf(place));
        Assert.Equal(["adapter"], Directory.GetDirectories(folder.Path).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("peft_type", "\"LOHA\"", "peft_type is \"LOHA\"; supported are \"LORA\" and \"IA3\"")]
    [InlineData("r", "0", "r is 0; it must be a positive integer")]
    [InlineData("r", "4", "lora_A.weight' has shape [8, 32], expected [4, 32]")]
    [InlineData("lora_alpha", "\"16\"", "lora_alpha is \"16\"")]
    [InlineData("use_dora", "true", "has no tensor 'base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector'")]
    [InlineData("lora_dropout", "1", "lora_dropout is 1; it must be at least 0 and less than 1")]
    [InlineData("bias", "\"all\"", "bias is \"all\"; only \"none\"")]
    [InlineData("modules_to_save", "[\"lm_head\"]", "merge them into the base model")]
    [InlineData("rank_pattern", "{\"q_proj\": 4}", "ranks that differ by layer")]
    [InlineData("layers_to_transform", "[0]", "adapters on some layers only")]
    [InlineData("init_lora_weights", "\"pissa\"", "init_lora_weights is \"pissa\"; supported are true, false, \"gaussian\", \"eva\" and \"orthogonal\"")]
    [InlineData("init_lora_weights", "\"pissa_niter_16\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "\"olora\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "\"corda\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "\"loftq\"", "path_initial_model_for_weight_conversion")]
    [InlineData("init_lora_weights", "3", "init_lora_weights is 3; supported are")]
    [InlineData("alora_invocation_tokens", "[7, 8]", "activated LoRA, which acts only behind these tokens, is not supported")]
    [InlineData("target_modules", "[\"q_proj\", \"c_attn\"]", "target_modules names \"c_attn\"; supported are q_proj, k_proj")]
    [InlineData("target_modules", "7", "target_modules is 7; it must be a list of module names, or a regular expression for them")]
    [InlineData("target_modules", "\".*_proj\"", "has no tensor 'base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight'")]
    [InlineData("target_modules", "\"q_proj\"", "target_modules is \"q_proj\", which matches no layer such as model.layers.0.self_attn.q_proj")]
    [InlineData("target_modules", "\"model.layers.1.self_attn.q_proj\"", "which matches no layer")]
    [InlineData("target_modules", "\"(\"", "target_modules is \"(\", which cannot be matched: ")]
    [InlineData("target_modules", "[\"q_proj\", \"k_proj\"]", "has no tensor 'base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight'")]
    public void What_is_not_supported_is_refused_with_the_reason(string field, string value, string message)
    {
        using var folder = new TemporaryFolder();
        string place = SaveWith(folder, field, value);
        long before = LiveTensors.Settled();
        var refusal = Assert.Throws<CheckpointException>(() => Read(place));
        Assert.Contains(message, refusal.Message);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Theory]
    [InlineData("init_lora_weights", "null")]
    [InlineData("init_lora_weights", "true")]
    [InlineData("init_lora_weights", "false")]
    [InlineData("init_lora_weights", "\"gaussian\"")]
    [InlineData("init_lora_weights", "\"Gaussian\"")]
    [InlineData("init_lora_weights", "\"eva\"")]
    [InlineData("init_lora_weights", "\"orthogonal\"")]
    [InlineData("target_modules", "\".*\\\\.q_proj\"")]
    [InlineData("target_modules", "\".*self_attn.(q|qkv)_proj|lm_head\"")]
    [InlineData("target_modules", "\"\\\\bmodel\\\\.layers\\\\.[\\\\d]{1,}\\\\.(?:self_attn|attention|mlp)\\\\.(?:(?:q_proj|out_proj|fc1))\"")]
    [InlineData("alora_invocation_tokens", "null")]
    [InlineData("alora_invocation_tokens", "[]")]
    public void What_changes_no_answer_is_taken(string field, string value)
    {
        using var folder = new TemporaryFolder();
        using AdapterValues loaded = Read(SaveWith(folder, field, value));
        Assert.Equal(8, loaded.Method.Rank);
    }

    [Fact]
    public void An_adapter_of_another_shape_is_refused_by_the_tensors_name()
    {
        using var folder = new TemporaryFolder();
        string place = Save(folder, [LoraTarget.Query], out _, out _);
        var wider = Assert.Throws<CheckpointException>(
            () => Read(place, TinyModel.Config with { HiddenSize = 64 }));
        Assert.Contains("layers.0.self_attn.q_proj.lora_A.weight' has shape [8, 32], expected [8, 64]", wider.Message);
        var shallower = Assert.Throws<CheckpointException>(() => Read(place, TinyModel.Config with { Layers = 1 }));
        Assert.Contains("layers.1.self_attn.q_proj", shallower.Message);
        Assert.Contains("the adapter is for another model", shallower.Message);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void Numbers_that_are_not_finite_are_refused_by_the_tensors_name(float number)
    {
        using var folder = new TemporaryFolder();
        using (NewDisposeScope())
        using (var values = RandomAdapter.Values(new LoraMethod { Rank = 8, Alpha = 16, Targets = [LoraTarget.Query] }, TinyModel.Config, seed: 1))
        {
            values[1, LoraTarget.Query][1].narrow(0, 5, 1).fill_(number);
            PeftFolder.Save(values, TinyModel.Config, folder.File("adapter"), "tiny");
        }
        long before = LiveTensors.Settled();
        var refusal = Assert.Throws<CheckpointException>(() => Read(folder.File("adapter")));
        Assert.Contains("tensor 'base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight' holds numbers that are not finite", refusal.Message);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void A_missing_folder_is_named()
    {
        var refusal = Assert.Throws<CheckpointException>(() => Read("/nowhere"));
        Assert.Contains("/nowhere/adapter_config.json", refusal.Message);
    }

    private static string Save(TemporaryFolder folder, LoraTarget[] targets, out float[] numbers, out string digest) =>
        Save(folder, new LoraMethod { Rank = 8, Alpha = 16, Targets = targets }, out numbers, out digest);

    private static string Save(TemporaryFolder folder, PeftMethod method, out float[] numbers, out string digest)
    {
        using var values = RandomAdapter.Values(method, TinyModel.Config, seed: 1);
        numbers = Numbers(values);
        digest = PeftFolder.Save(values, TinyModel.Config, folder.File("adapter"), "tiny");
        return folder.File("adapter");
    }

    // With a field that PEFT might have written.
    private static string SaveWith(TemporaryFolder folder, string field, string value)
    {
        string place = Save(folder, [LoraTarget.Query], out _, out _);
        string path = Path.Combine(place, PeftFolder.ConfigFile);
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!; // written above
        config[field] = JsonNode.Parse(value);
        File.WriteAllText(path, config.ToJsonString());
        return place;
    }

    private static AdapterValues Read(string place, DecoderConfig? config = null) =>
        PeftFolder.Read(place, config ?? TinyModel.Config, ScalarType.Float32, CPU);

    private static float[] Numbers(AdapterValues values) => [.. values.Tensors.SelectMany(tensor => tensor.data<float>().ToArray())];
}
