using System.Text.Json;
using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Families;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>What sentence-transformers writes beside a BERT: how states become a vector, and how long a text may be. All of it may be absent.</summary>
/// <remarks>
/// Source: sentence-transformers, <c>modules.json</c>, <c>sentence_bert_config.json</c> and its module <c>Pooling</c>. Release 5.4 moved the modules into other
/// packages, leaves <c>max_seq_length</c> out and names the pooling in one field.
/// </remarks>
internal static class SentenceTransformerFiles
{
    private const string Package = "sentence_transformers.";

    /// <returns>The mean where the folder does not say.</returns>
    /// <exception cref="CheckpointException">The folder asks for a module or a pooling that is not supported.</exception>
    public static Pooling ReadPooling(string folder)
    {
        string modules = Path.Combine(folder, "modules.json");
        var pooling = Pooling.Mean;
        if (!File.Exists(modules))
            return pooling;
        foreach (var (type, path) in Modules(modules))
        {
            // Its own modules are the same wherever in the package they lie; those of others may be anything.
            switch (type.StartsWith(Package, StringComparison.Ordinal) ? type[(type.LastIndexOf('.') + 1)..] : "")
            {
                case "Transformer" or "Normalize":
                    break; // Vectors are scaled to length 1 on request, and by default.
                case "Pooling":
                    pooling = ReadPoolingFile(Path.Combine(folder, Path.GetFileName(path), "config.json"));
                    break;
                default:
                    throw new CheckpointException($"{modules}: the module '{type}' is not supported: Transformer, Pooling and Normalize are.");
            }
        }
        return pooling;
    }

    /// <returns>Null where the folder does not say.</returns>
    public static int? ReadLength(string folder)
    {
        string path = Path.Combine(folder, "sentence_bert_config.json");
        return File.Exists(path) && ConfigFields.Load(path) is var fields && fields.Get("max_seq_length") is not null ? fields.Size("max_seq_length") : null;
    }

    private static Pooling ReadPoolingFile(string path)
    {
        var fields = ConfigFields.Load(path);
        string[] modes = fields.Get("pooling_mode") switch
        {
            { ValueKind: JsonValueKind.String } one => [one.ToString()],
            { ValueKind: JsonValueKind.Array } several => [.. several.EnumerateArray().Select(mode => mode.ToString())],
            _ => [.. fields.Root.EnumerateObject().Where(field => field.Name.StartsWith("pooling_mode_", StringComparison.Ordinal) && field.Value.ValueKind == JsonValueKind.True).Select(field => field.Name)],
        };
        return modes switch
        {
            ["mean" or "pooling_mode_mean_tokens"] => Pooling.Mean,
            ["cls" or "pooling_mode_cls_token"] => Pooling.First,
            _ => throw fields.Error($"asks for {(modes.Length == 0 ? "no pooling" : string.Join(", ", modes))}; one of mean (pooling_mode_mean_tokens) and cls (pooling_mode_cls_token) is supported"),
        };
    }

    private static List<(string Type, string Path)> Modules(string file)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            return [.. document.RootElement.EnumerateArray().Select(module => (module.GetProperty("type").GetString() ?? "", module.GetProperty("path").GetString() ?? ""))];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{file}: cannot be read: {e.Message}", e);
        }
    }
}
