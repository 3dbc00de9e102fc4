using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace AiFabric.Crds.Schema;

/// <summary>JSON → YAML, always the same bytes for the same document: order kept, strings quoted as JSON where plain could be misread.</summary>
internal static partial class CrdYaml
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(JsonObject document)
    {
        var text = new StringBuilder("# Generated from the C# types by `make crds`; do not edit.\n");
        WriteObject(text, document, 0, false);
        return text.ToString();
    }

    private static void WriteObject(StringBuilder text, JsonObject node, int indent, bool firstOnLine)
    {
        foreach ((string name, JsonNode? value) in node)
        {
            text.Append(' ', firstOnLine ? 0 : indent).Append(Scalar(name)).Append(':');
            firstOnLine = false;
            WriteValue(text, value, indent);
        }
    }

    private static void WriteValue(StringBuilder text, JsonNode? value, int indent)
    {
        switch (value)
        {
            case JsonObject { Count: > 0 } inner:
                text.Append('\n');
                WriteObject(text, inner, indent + 2, false);
                break;
            case JsonArray { Count: > 0 } list:
                text.Append('\n');
                WriteList(text, list, indent);
                break;
            case JsonObject:
                text.Append(" {}\n");
                break;
            case JsonArray:
                text.Append(" []\n");
                break;
            default:
                text.Append(' ').Append(Scalar(value)).Append('\n');
                break;
        }
    }

    // Kubernetes' own style: a list stands at the indent of its key.
    private static void WriteList(StringBuilder text, JsonArray list, int indent)
    {
        foreach (JsonNode? item in list)
        {
            text.Append(' ', indent).Append("- ");
            if (item is JsonObject { Count: > 0 } inner)
                WriteObject(text, inner, indent + 2, true);
            else
                text.Append(Scalar(item)).Append('\n');
        }
    }

    private static string Scalar(JsonNode? value) =>
        value?.GetValueKind() == JsonValueKind.String ? Scalar(value.GetValue<string>()) : value?.ToJsonString() ?? "null";

    private static string Scalar(string value) =>
        Plain().IsMatch(value) && !Misread().IsMatch(value) ? value : JsonSerializer.Serialize(value, Readable);

    // Words, paths and names; no colon-space, no space-hash, none of YAML's indicators at the start.
    [GeneratedRegex(@"^[A-Za-z./$][A-Za-z0-9_.,/()\-]*( [A-Za-z0-9_.,/()]([A-Za-z0-9_.,/()\-]*))*$")]
    private static partial Regex Plain();

    // What YAML 1.1 takes for a boolean, null or number.
    [GeneratedRegex(@"^(y|n|yes|no|on|off|true|false|null|~|\.nan|[-+]?\.inf|[-+.0-9][0-9._eExobA-Fa-f+\-]*)$", RegexOptions.IgnoreCase)]
    private static partial Regex Misread();
}
