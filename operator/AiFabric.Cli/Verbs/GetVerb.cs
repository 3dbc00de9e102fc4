using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Cli.Cluster;
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
        Option<string> ns = SharedOptions.Namespace();
        var all = new Option<bool>("--all-namespaces", "-A") { Description = "Objects of all namespaces." };
        var output = new Option<string?>("--output", "-o") { Description = "wide or json. Default: the table." };
        output.AcceptOnlyFromAmong("wide", "json");
        Option<string?> kubeconfig = SharedOptions.Kubeconfig();
        var command = new Command("get", "Shows objects.") { resource, name, ns, all, output, kubeconfig };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new ClusterClient(SharedOptions.Configuration(parsed.GetValue(kubeconfig)));
            string? format = parsed.GetValue(output);
            var found = await client.GetAsync(
                parsed.GetRequiredValue(resource), parsed.GetValue(name), parsed.GetValue(all) ? null : parsed.GetRequiredValue(ns), format != "json", cancellationToken);
            foreach ((KindEntry kind, JsonElement body) in found)
            {
                if (format == "json")
                    AnsiConsole.WriteLine(JsonNode.Parse(body.GetRawText())!.ToJsonString(Indented)); // an object, never the null literal
                else
                    Print(kind, body, format == "wide", found.Count > 1);
            }

            return 0;
        });
        return command;
    }

    private static void Print(KindEntry kind, JsonElement body, bool wide, bool severalKinds)
    {
        JsonElement[] columns = [.. body.GetProperty("columnDefinitions").EnumerateArray()];
        int[] shown = [.. Enumerable.Range(0, columns.Length).Where(i => wide || !columns[i].TryGetProperty("priority", out JsonElement p) || p.GetInt32() == 0)];
        var table = new Table().NoBorder().AddColumns([.. shown.Select(i => columns[i].GetProperty("name").GetString()!.ToUpperInvariant())]); // required by the API
        JsonElement rows = body.GetProperty("rows");
        if (rows.ValueKind != JsonValueKind.Array || rows.GetArrayLength() == 0)
        {
            if (!severalKinds)
                AnsiConsole.WriteLine("No resources found");
            return;
        }

        foreach (JsonElement row in rows.EnumerateArray())
        {
            JsonElement[] cells = [.. row.GetProperty("cells").EnumerateArray()];
            table.AddRow([.. shown.Select(i => Markup.Escape((severalKinds && i == 0 ? kind.Singular + "/" : "") + Text(cells[i])))]);
        }

        AnsiConsole.Write(table);
    }

    private static string Text(JsonElement cell) => cell.ValueKind == JsonValueKind.Null ? "" : cell.ToString();
}
