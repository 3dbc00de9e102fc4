using System.Text;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>What a person gets wrong, applied with the real kubectl: the answer names the fault and its place.</summary>
[Collection(FabricTests.Name)]
public sealed class BadInputTests(FabricFixture fabric)
{
    [Theory]
    [InlineData("replica: 1", "unknown field", "replica\"")] // kubectl before 1.27 checks by itself and words it otherwise
    [InlineData("coServing: {policy: Fastest}", "spec.coServing.policy: Unsupported value: \"Fastest\": supported values: \"InferenceFirst\", \"WeightedFair\"")]
    [InlineData("replicas: -1", "spec.replicas")]
    public async Task A_resource_with_a_wrong_field_is_refused(string field, params string[] messages)
    {
        string said = await fabric.KubectlAsync(["apply", "-f", "-"], $$"""
            apiVersion: aifabric.io/v1alpha1
            kind: CoServedModel
            metadata: {name: wrong}
            spec:
              model: {uri: "file:///nowhere"}
              {{field}}
            """, exitCode: 1);
        Assert.All(messages, message => Assert.Contains(message, said, StringComparison.Ordinal));
        Assert.Null(await fabric.Client.GetAsync<CoServedModel>("wrong", FabricFixture.Space));
    }

    [Fact]
    public Task A_missing_model_folder_is_named() => ModelFailsAsync("missing-folder", fabric.NewPath("missing-folder"));

    [Fact]
    public async Task A_truncated_weights_file_is_named()
    {
        string folder = CopyOfDemoModel("truncated");
        await using (FileStream weights = File.OpenWrite(Path.Combine(folder, "model.safetensors")))
            weights.SetLength(weights.Length / 2);
        await ModelFailsAsync("truncated", "model.safetensors");
    }

    [Fact]
    public async Task A_weights_file_whose_header_lies_is_named()
    {
        string folder = CopyOfDemoModel("lying");
        await using (FileStream weights = File.OpenWrite(Path.Combine(folder, "model.safetensors")))
            await weights.WriteAsync(BitConverter.GetBytes(long.MaxValue));
        await ModelFailsAsync("lying", "model.safetensors");
    }

    [Fact]
    public async Task A_broken_line_of_a_data_set_is_named_with_its_number()
    {
        await fabric.ModelReadyAsync();
        string dataset = fabric.NewPath("broken.jsonl");
        await File.WriteAllLinesAsync(dataset, ["""{"text":"one"}""", """{"text":"two"}""", """{"text": thr"""]);
        await fabric.KubectlAsync(["apply", "-f", "-"], $$"""
            apiVersion: aifabric.io/v1alpha1
            kind: FinetuneJob
            metadata: {name: broken}
            spec:
              modelRef: {name: demo}
              dataset: {uri: "file://{{dataset}}"}
              output: {adapterName: broken}
            """);
        V1Condition failed = await fabric.ConditionAsync<FinetuneJob>("broken", FinetuneJobConditions.Failed, "True", "InvalidDataset");
        Assert.Contains("broken.jsonl, line 3", failed.Message, StringComparison.Ordinal);
        Assert.Null(await fabric.Client.GetAsync<Adapter>("broken", FabricFixture.Space));
    }

    [Fact]
    public async Task An_adapter_of_another_shape_is_refused_by_name_of_the_tensor()
    {
        await fabric.ModelReadyAsync();
        const string Layer = "base_model.model.model.layers.0.self_attn.q_proj";
        string config = fabric.NewPath("other-shape/adapter_config.json");
        await File.WriteAllTextAsync(config, """{"peft_type":"LORA","r":2,"lora_alpha":4,"target_modules":["q_proj"]}""");
        await File.WriteAllBytesAsync(
            fabric.NewPath("other-shape/adapter_model.safetensors"),
            Safetensors($$$"""{"{{{Layer}}}.lora_A.weight":{"dtype":"F32","shape":[2,8],"data_offsets":[0,64]},"{{{Layer}}}.lora_B.weight":{"dtype":"F32","shape":[8,2],"data_offsets":[64,128]}}""", 128));
        await fabric.KubectlAsync(["apply", "-f", "-"], $$"""
            apiVersion: aifabric.io/v1alpha1
            kind: Adapter
            metadata: {name: other-shape}
            spec:
              modelRef: {name: demo}
              source: {uri: "file://{{Path.GetDirectoryName(config)}}"}
            """);
        V1Condition failed = await fabric.ConditionAsync<Adapter>("other-shape", AdapterConditions.Failed, "True");
        Assert.Contains("q_proj", failed.Message, StringComparison.Ordinal);
        await fabric.Client.DeleteAsync<Adapter>("other-shape", FabricFixture.Space);
    }

    /// <summary>The model is applied, is not Ready for a reason that names the fault, and can be deleted.</summary>
    private async Task ModelFailsAsync(string name, string fault)
    {
        await fabric.KubectlAsync(["apply", "-f", "-"], $$"""
            apiVersion: aifabric.io/v1alpha1
            kind: CoServedModel
            metadata: {name: {{name}}}
            spec:
              model: {uri: "file://{{fabric.NewPath(name)}}"}
            """);
        V1Condition ready = await fabric.ConditionAsync<CoServedModel>(name, CoServedModelConditions.Ready, "False", "ModelLoadFailed");
        Assert.Contains(fault, ready.Message, StringComparison.Ordinal);
        await fabric.KubectlAsync(["delete", "csm", name, "--timeout=60s"]);
    }

    private string CopyOfDemoModel(string name)
    {
        string folder = fabric.NewPath(name);
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.EnumerateFiles(FabricFixture.DemoModel))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        return folder;
    }

    /// <summary>A file of this header and zeros (format: 8 bytes of header length, header, data).</summary>
    private static byte[] Safetensors(string header, int dataBytes) =>
        [.. BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(header)), .. Encoding.UTF8.GetBytes(header), .. new byte[dataBytes]];
}
