using AiFabric.Engine.Weights;
using AiFabric.Pretraining.Training;
using static TorchSharp.torch;

namespace AiFabric.Pretraining.Export;

/// <summary>Writes and reads a trained model as a Hugging Face folder.</summary>
internal static class ModelFolder
{
    private const string WeightsFile = "model.safetensors";

    /// <summary>Writes weights in bfloat16, configuration, tokenizer, log and curve of a run.</summary>
    public static void Write(string folder, string run, DecoderConfig config)
    {
        Directory.CreateDirectory(folder);
        using (var scope = NewDisposeScope())
        {
            using var noGradients = no_grad();
            using var checkpoint = SafetensorsFile.Open(Path.Combine(run, "checkpoint.safetensors"));
            using var parameters = LlamaParameters.Load(config, checkpoint);
            SafetensorsWriter.Write(
                Path.Combine(folder, WeightsFile),
                [.. parameters.All.Select(p => KeyValuePair.Create(p.Key, p.Value.to(ScalarType.BFloat16)))],
                new Dictionary<string, string> { ["format"] = "pt" });
        }
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJson("bfloat16"));
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), GenerationConfig(config));
        foreach (string file in (string[])["tokenizer.json", "tokenizer_config.json", "training-log.csv"])
            File.Copy(Path.Combine(run, file), Path.Combine(folder, file), overwrite: true);
        File.WriteAllText(Path.Combine(folder, "training-curve.svg"), TrainingCurve.Draw(File.ReadAllLines(Path.Combine(run, "training-log.csv"))));
    }

    /// <summary>Reads the weights as they were exported, widened to float32.</summary>
    /// <exception cref="CheckpointException">The folder is no model folder.</exception>
    public static LlamaParameters Read(string folder)
    {
        using var file = SafetensorsFile.Open(Path.Combine(folder, WeightsFile));
        return LlamaParameters.Load(DecoderConfig.Load(folder), file);
    }

    private static string GenerationConfig(DecoderConfig config) =>
        $$"""
        {
          "bos_token_id": {{config.BeginOfSequenceId}},
          "eos_token_id": {{config.EndOfSequenceIds[0]}},
          "do_sample": true,
          "temperature": 0.7,
          "top_p": 0.9
        }

        """;
}
