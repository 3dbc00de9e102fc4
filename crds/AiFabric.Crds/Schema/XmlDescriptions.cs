using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using AiFabric.Crds.Abstractions;

namespace AiFabric.Crds.Schema;

/// <summary>Descriptions of types and properties: the <see cref="DescriptionAttribute"/>, else the XML documentation's summary.</summary>
internal sealed partial class XmlDescriptions
{
    private readonly Dictionary<string, string> _summaries = [];

    /// <exception cref="CrdException">The documentation file is not beside the assembly: the schema would differ from build to build.</exception>
    public XmlDescriptions(Assembly assembly)
    {
        string path = Path.ChangeExtension(assembly.Location, ".xml");
        if (!File.Exists(path))
            throw new CrdException($"There is no documentation at {path}; build {assembly.GetName().Name} with GenerateDocumentationFile.");
        foreach (XElement member in XDocument.Load(path).Descendants("member"))
        {
            if (member.Attribute("name")?.Value is { } name && member.Element("summary") is { } summary)
                _summaries[name] = Plain(summary);
        }
    }

    public string? Of(Type type) =>
        type.GetCustomAttribute<DescriptionAttribute>()?.Description ?? _summaries.GetValueOrDefault($"T:{NameOf(type)}");

    public string? Of(PropertyInfo property) =>
        property.GetCustomAttribute<DescriptionAttribute>()?.Description
        ?? _summaries.GetValueOrDefault($"P:{NameOf(property.DeclaringType!)}.{property.Name}"); // A property is always declared by a type.

    private static string NameOf(Type type) => (type.FullName ?? type.Name).Replace('+', '.');

    // References become the bare name they show: kubectl explain knows no markup.
    private static string Plain(XElement summary)
    {
        string text = string.Concat(summary.DescendantNodes().Select(node => node switch
        {
            XText words => words.Value,
            XElement { Name.LocalName: "see" or "seealso" or "paramref" or "typeparamref" } reference when !reference.Nodes().Any() =>
                (reference.Attribute("cref") ?? reference.Attribute("langword") ?? reference.Attribute("name"))?.Value.Split('.', ':')[^1] ?? string.Empty,
            _ => string.Empty,
        }));
        return Blanks().Replace(text, " ").Trim();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
