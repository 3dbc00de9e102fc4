using System.Globalization;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Pretraining.Training;

/// <summary>A run's whole state in one safetensors file: weights, optimizers, the next step.</summary>
internal static class TrainingCheckpoint
{
    private const string StepKey = "step";

    public static void Save(string path, LlamaParameters parameters, MatrixOptimizer matrices, VectorOptimizer vectors, int step) =>
        SafetensorsWriter.Write(
            path,
            [.. parameters.All, .. matrices.State, .. vectors.State],
            new Dictionary<string, string> { [StepKey] = step.ToString(CultureInfo.InvariantCulture) });

    /// <summary>Reads the optimizers' state.</summary>
    /// <returns>The next step.</returns>
    public static int Restore(SafetensorsFile file, MatrixOptimizer matrices, VectorOptimizer vectors)
    {
        using var noGradients = no_grad();
        foreach (var (name, tensor) in matrices.State.Concat(vectors.State))
        {
            using var saved = file.Read(name, tensor.shape);
            tensor.copy_(saved);
        }
        return int.Parse(file.Metadata[StepKey], CultureInfo.InvariantCulture);
    }
}
