using System.Text.Json;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>The fields of a JSON file of an encoder's folder.</summary>
/// <param name="Root">The object.</param>
/// <param name="File">The name that error messages give the file.</param>
internal readonly record struct EncoderFields(JsonElement Root, string File)
{
    // No encoder comes near this; a file that claims more would have memory reserved for it.
    private const int Most = 1 << 24;

    /// <exception cref="CheckpointException">The file is missing, unreadable or no object.</exception>
    public static EncoderFields Load(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(System.IO.File.ReadAllBytes(path));
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new EncoderFields(document.RootElement.Clone(), path)
                : throw new CheckpointException($"{path}: the top level is not an object.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    public CheckpointException Error(string problem) => new($"{File}: {problem}.");

    public string? Text(string name) => Root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public void RefuseUnless(string name, string only)
    {
        if (Text(name) is var found && found != only)
            throw Error($"{name} is '{found}'; only '{only}' is supported for this model_type");
    }

    public int Size(string name) => Root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int size) && size is > 0 and <= Most
        ? size
        : throw Error($"{name} must be a positive integer up to {Most}");

    public double Fraction(string name) => Root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.GetDouble() is > 0 and < 1 and var number
        ? number
        : throw Error($"{name} must be a number between 0 and 1");
}
