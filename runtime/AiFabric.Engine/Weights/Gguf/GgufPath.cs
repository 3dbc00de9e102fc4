namespace AiFabric.Engine.Weights.Gguf;

/// <summary>Finds out whether a model's weights are a GGUF file.</summary>
internal static class GgufPath
{
    /// <summary>The model's GGUF file; null where its weights are of another kind, or it has none.</summary>
    /// <param name="model">A model folder, or the file itself.</param>
    /// <exception cref="CheckpointException">The folder holds several GGUF files and nothing says which.</exception>
    public static string? Of(string model)
    {
        if (File.Exists(model))
            return model;
        if (!Directory.Exists(model) || SafetensorsCheckpoint.IsIn(model))
            return null;
        string[] files = [.. Directory.GetFiles(model, "*" + GgufFile.Extension).Order(StringComparer.Ordinal)];
        return files switch
        {
            [] => null,
            [var only] => only,
            _ => throw new CheckpointException($"{model}: holds {files.Length} GGUF files ({string.Join(", ", files.Take(5).Select(Path.GetFileName))}); name one of them as the model."),
        };
    }
}
