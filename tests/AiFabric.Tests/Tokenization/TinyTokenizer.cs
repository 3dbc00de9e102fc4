using System.Text.Json;
using AiFabric.Engine.Tokenization;

namespace AiFabric.Tests.Tokenization;

/// <summary>A tokenizer of single bytes (ids 0 to 255), three control marks, and more if asked for, written to a folder as Hugging Face would.</summary>
internal static class TinyTokenizer
{
    public const int Begin = 256;
    public const int End = 257;
    public const int Turn = 258;
    public const int Size = 259;

    private static readonly string[] Marks = ["<s>", "</s>", "<turn>"];

    public const string ChatTemplate =
        "{% for m in messages %}<turn>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}{% if add_generation_prompt %}<turn>assistant: {% endif %}";

    public static void Write(string folder, string? chatTemplate = ChatTemplate, params string[] moreMarks)
    {
        Directory.CreateDirectory(folder);
        var tokenizer = new
        {
            added_tokens = Marks.Concat(moreMarks).Select((m, i) => new { id = 256 + i, content = m, special = true }),
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, use_regex = true },
            decoder = new { type = "ByteLevel" },
            model = new
            {
                type = "BPE",
                vocab = Enumerable.Range(0, 256).ToDictionary(b => ByteAlphabet.CharacterOf((byte)b).ToString(), b => b),
                merges = Array.Empty<string>(),
            },
        };
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), JsonSerializer.Serialize(tokenizer));
        File.WriteAllText(
            Path.Combine(folder, "tokenizer_config.json"),
            JsonSerializer.Serialize(new { chat_template = chatTemplate, bos_token = Marks[0], eos_token = Marks[1] }));
    }

    public static HuggingFaceTokenizer Load(string? chatTemplate = ChatTemplate, params string[] moreMarks)
    {
        var folder = Directory.CreateTempSubdirectory("aifabric-tokenizer-");
        try
        {
            Write(folder.FullName, chatTemplate, moreMarks);
            return HuggingFaceTokenizer.Load(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
