using System.Text.Json.Nodes;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>The real worker with the demo model under a chat template that defines tools, as Qwen's does.</summary>
public sealed class ToolWorker(GatewayBench bench) : RealWorker(bench, ServedName)
{
    public const string ServedName = "demo-tools";

    private const string Template =
        """
        {%- if tools %}Tools:{% for t in tools %} {{ t | tojson }}{% endfor %}{{ '\n\n' }}{% endif %}
        {%- for m in messages %}{{ m.role }}: {{ m.content }}
        {%- for c in m.tool_calls or [] %}{{ '\n<tool_call>\n{"name": "' ~ c.function.name ~ '", "arguments": ' ~ (c.function.arguments | tojson) ~ '}\n</tool_call>' }}{% endfor %}{{ '\n\n' }}{% endfor %}
        {%- if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-tools-");

    // The demo model's files, but for the template.
    protected override string PrepareModel()
    {
        foreach (string file in Directory.GetFiles(base.PrepareModel()))
            File.Copy(file, Path.Combine(_folder.FullName, Path.GetFileName(file)));
        string path = Path.Combine(_folder.FullName, "tokenizer_config.json");
        JsonNode settings = JsonNode.Parse(File.ReadAllText(path))!; // an object
        settings["chat_template"] = Template;
        File.WriteAllText(path, settings.ToJsonString());
        return _folder.FullName;
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
