using System.Globalization;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>The values under the architecture's prefix. What nobody asks for may change the arithmetic, so it is refused.</summary>
internal sealed class GgufShape(GgufFile file)
{
    private readonly string prefix = GgufFamily.ArchitectureOf(file) + ".";
    private readonly HashSet<string> asked = new(StringComparer.Ordinal);

    public long Integer(string name) => file.Metadata.Integer(Ask(name));

    public long? IntegerOrNull(string name) => file.Metadata.IntegerOrNull(Ask(name));

    public double Number(string name) => NumberOrNull(name) ?? throw file.Metadata.Refuse($"the metadata value '{prefix}{name}' is missing");

    public double? NumberOrNull(string name) => file.Metadata.NumberOrNull(Ask(name)) is not { } number
        ? null
        : double.IsFinite(number) ? Decimal(number) : throw file.Metadata.Refuse($"'{prefix}{name}' is {number}; it must be a number");

    public string? TextOrNull(string name) => file.Metadata.TextOrNull(Ask(name));

    public void Ignore(string name) => Ask(name);

    public void Expect(string name, long only)
    {
        if (IntegerOrNull(name) is { } found && found != only)
            throw file.Metadata.Refuse($"'{prefix}{name}' is {found}; only {only} is supported here");
    }

    public void RefuseOthers()
    {
        if (file.Metadata.Keys.FirstOrDefault(key => key.StartsWith(prefix, StringComparison.Ordinal) && !asked.Contains(key)) is { } other)
            throw file.Metadata.Refuse($"the metadata value '{other}' asks for what is not supported");
    }

    private string Ask(string name)
    {
        asked.Add(prefix + name);
        return prefix + name;
    }

    // The shortest decimal that is this float32: 1e-5 became 9.9999997e-6 on its way into the file.
    private static double Decimal(double number) =>
        double.Parse(((float)number).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
