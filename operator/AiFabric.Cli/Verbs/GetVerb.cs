using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Cli.Cluster;
using k8s;
using Spectre.Console;

namespace AiFabric.Cli.Verbs;

/// <summary><c>aifabric get</c>: the server's own tables.</summary>
internal static class GetVerb
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static Command Create()
    {
        var resource = new Argument<string>("resource") { Description = "Kind, plural, short name, or the category aifabric." };
        var name = new Argument<string?>("name") { Description = "One object.", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> ns = SharedOptions.Namespace();
        var all = new Option<bool>("--all-namespaces", "-A") { Description = "Objects of all namespaces." };
        var output = new Option<string?>("--output", "-o") { Description = "wide or json. Default: the table." };
        output.AcceptOnlyFromAmong("wide", "json");
        Option<string?> kubeconfig = SharedOptions.Kubeconfig();
        var command = new Command("get", "Shows objects.") { resource, name, ns, all, output, kubeconfig };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            KubernetesClientConfiguration configuration = SharedOptions.Configuration(parsed.GetValue(kubeconfig));
            string? space = parsed.GetValue(all) ? null : SharedOptions.SpaceOf(parsed.GetValue(ns), configuration);
            using var client = new ClusterClient(configuration);
            string? format = parsed.GetValue(output);
            var found = await client.GetAsync(parsed.GetRequiredValue(resource), parsed.GetValue(name), space, format != "json", cancellationToken);
            foreach ((KindEntry kind, JsonElement body) in found)
            {
                if (format == "json")
                    AnsiConsole.WriteLine(JsonNode.Parse(body.GetRawText())!.ToJsonString(Indented)); // an object, never the null literal
                else
                    Print(Lines(kind, body, format == "wide", found.Count > 1, space is null), found.Count > 1);
            }

            return 0;
        });
        return command;
    }

    /// <summary>A server's table as lines of cells, the headings first. Of all namespaces, each line begins with its own, as kubectl's do.</summary>
    internal static List<string[]> Lines(KindEntry kind, JsonElement body, bool wide, bool severalKinds, bool everywhere)
    {
        JsonElement[] columns = [.. body.GetProperty("columnDefinitions").EnumerateArray()];
        int[] shown = [.. Enumerable.Range(0, columns.Length).Where(i => wide || !columns[i].TryGetProperty("priority", out JsonElement p) || p.GetInt32() == 0)];
        string[] Line(string space, IEnumerable<string> cells) => everywhere && kind.Namespaced ? [space, .. cells] : [.. cells];
        var lines = new List<string[]> { Line("NAMESPACE", shown.Select(i => columns[i].GetProperty("name").GetString()!.ToUpperInvariant())) }; // required by the API
        JsonElement[] rows = body.GetProperty("rows") is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray()] : [];
        foreach (JsonElement row in rows)
        {
            JsonElement[] cells = [.. row.GetProperty("cells").EnumerateArray()];
            lines.Add(Line(Space(row), shown.Select(i => (severalKinds && i == 0 ? kind.Singular + "/" : "") + Text(cells[i]))));
        }

        return lines;
    }

    private static void Print(List<string[]> lines, bool severalKinds)
    {
        if (lines.Count == 1)
        {
            if (!severalKinds)
                AnsiConsole.WriteLine("No resources found");
            return;
        }

        Table table = new Table().NoBorder().AddColumns(lines[0]);
        foreach (string[] line in lines.Skip(1))
            table.AddRow([.. line.Select(Markup.Escape)]);
        AnsiConsole.Write(table);
    }

    private static string Space(JsonElement row) =>
        row.GetProperty("object").GetProperty("metadata").TryGetProperty("namespace", out JsonElement space) ? space.GetString() ?? "" : "";

    private static string Text(JsonElement cell) => cell.ValueKind == JsonValueKind.Null ? "" : cell.ToString();
}
