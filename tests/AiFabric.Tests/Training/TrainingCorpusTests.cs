using System.Text;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed partial class TrainingCorpusTests : IDisposable
{
    private const int Begin = 1, End = 2;
    private readonly string folder = Directory.CreateTempSubdirectory("aifabric-corpus-").FullName;

    // Puts a space before a text, as SentencePiece does: 5 and 6 are " a" and " b".
    private const string SentencePiece =
        """
        {"added_tokens":[{"id":0,"content":"<s>","special":true},{"id":1,"content":"</s>","special":true}],
        "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":{"String":" "},"content":"_"}]},
        "model":{"type":"BPE","unk_token":"<s>","vocab":{"<s>":0,"</s>":1,"_":2,"a":3,"b":4,"_a":5,"_b":6,":":7},"merges":["_ a","_ b"]}}
        """;

    private static SampleEncoder Encoder => new(
        Characters, Begin, End,
        (turns, open) => string.Concat(turns.Select(turn => $"<{turn.Role[0]}>{turn.Content};")) + (open ? "<a>" : ""));

    [Fact]
    public void Text_is_learned_from_the_first_token_to_the_end_mark()
    {
        TrainingSample sample = Load(DatasetFormat.Text, """{"text": "ab"}""").Train[0];
        Assert.Equal([Begin, 'a', 'b'], sample.Inputs);
        Assert.Equal(['a', 'b', End], sample.Targets);
        Assert.Equal([true, true, true], sample.Learned);
    }

    [Fact]
    public void Of_prompt_and_completion_only_the_completion_is_learned()
    {
        TrainingSample sample = Load(DatasetFormat.PromptCompletion, """{"prompt": "ab", "completion": "c"}""").Train[0];
        Assert.Equal([Begin, 'a', 'b', 'c'], sample.Inputs);
        Assert.Equal(['a', 'b', 'c', End], sample.Targets);
        Assert.Equal([false, false, true, true], sample.Learned);
        Assert.Equal(2, sample.LossTokens);
    }

    [Fact]
    public void Of_a_conversation_only_the_assistants_messages_are_learned()
    {
        TrainingSample sample = Load(DatasetFormat.Chat, """
            {"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "q"}, {"role": "user", "content": "r"}]}
            """.ReplaceLineEndings(" ")).Train[0];
        // <u>p;<a>q; and nothing of the last message, for nothing is learned after it.
        Assert.Equal("<u>p;<a>q", new string([.. sample.Inputs.Select(token => (char)token)]));
        Assert.Equal("q;", new string([.. sample.Targets.Where((_, i) => sample.Learned[i]).Select(token => (char)token)]));
    }

    [Theory]
    [InlineData(DatasetFormat.Text, "{", "line 3: is not valid JSON")]
    [InlineData(DatasetFormat.Text, "[]", "line 3: expected a JSON object, found a list")]
    [InlineData(DatasetFormat.Text, "{}", "line 3: has no field 'text'")]
    [InlineData(DatasetFormat.Text, """{"text": 7}""", "line 3: field 'text' must be a string, found a number")]
    [InlineData(DatasetFormat.Text, """{"text": ""}""", "line 3: field 'text' is empty")]
    [InlineData(DatasetFormat.Text, """{"text": "a\ud83d"}""", "line 3: is not valid Unicode text")]
    [InlineData(DatasetFormat.Text, """{"text": "a", "\ud83d": 1}""", "line 3: is not valid Unicode text")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "user", "content": "\ude00"}, {"role": "assistant", "content": "a"}]}""", "line 3: is not valid Unicode text")]
    [InlineData(DatasetFormat.PromptCompletion, """{"prompt": "a"}""", "line 3: has no field 'completion'")]
    [InlineData(DatasetFormat.Chat, """{"messages": []}""", "line 3: field 'messages' must be a list")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "user", "content": "a"}]}""", "line 3: has no message of the assistant")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "tool", "content": "a"}]}""", "line 3: messages[0] has role 'tool'")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "assistant", "content": "a", "weight": 0}]}""", "line 3: has no message of the assistant")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]}""", "line 3: messages[0] has weight 0.5; it must be 0 or 1")]
    [InlineData(DatasetFormat.Preference, """{"prompt": "a", "chosen": "b"}""", "line 3: has no field 'rejected'")]
    [InlineData(DatasetFormat.Preference, """{"input": {"messages": [{"role": "user", "content": "a"}]}, "preferred_output": []}""", "line 3: field 'preferred_output' must be a list")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "user"}]}""", "line 3: messages[0] has no field 'content'")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}]}""", "line 3: messages[1] has 'tool_calls', which finetuning does not support")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "assistant", "content": "", "function_call": {"name": "f"}}]}""", "line 3: messages[0] has 'function_call', which finetuning does not support")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "assistant", "content": "a"}], "tools": [{"type": "function"}]}""", "line 3: has 'tools', which finetuning does not support")]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "assistant", "content": "a"}], "functions": []}""", "line 3: has 'functions', which finetuning does not support")]
    [InlineData(
        DatasetFormat.Preference,
        """{"input": {"messages": [{"role": "user", "content": "a"}], "tools": [{}]}, "preferred_output": [{"role": "assistant", "content": "b"}], "non_preferred_output": [{"role": "assistant", "content": "c"}]}""",
        "line 3: has 'tools', which finetuning does not support")]
    [InlineData(
        DatasetFormat.Preference,
        """{"input": {"messages": [{"role": "user", "content": "a"}]}, "preferred_output": [{"role": "assistant", "content": "b", "tool_calls": [{}]}], "non_preferred_output": [{"role": "assistant", "content": "c"}]}""",
        "line 3: preferred_output[0] has 'tool_calls', which finetuning does not support")]
    public void A_broken_line_is_named_by_file_number_and_cause(DatasetFormat format, string line, string message)
    {
        string good = format switch
        {
            DatasetFormat.Text => """{"text": "ab"}""",
            DatasetFormat.PromptCompletion => """{"prompt": "a", "completion": "b"}""",
            DatasetFormat.Preference => """{"prompt": "a", "chosen": "b", "rejected": "c"}""",
            _ => """{"messages": [{"role": "assistant", "content": "a"}]}""",
        };
        var refusal = Assert.Throws<TrainingException>(() => Load(format, good, "", line));
        Assert.Equal((TrainingErrorReasons.InvalidDataset, false), (refusal.Error.Reason, refusal.Error.Retryable));
        Assert.Contains(Path.Combine(folder, "data.jsonl"), refusal.Message);
        Assert.Contains(message, refusal.Message);
    }

    [Theory]
    [InlineData("""{"messages": [{"role": "assistant", "content": "a", "tool_calls": null, "function_call": null}], "tools": null, "functions": null}""")]
    [InlineData("""{"messages": [{"role": "user", "content": "a", "weight": null}, {"role": "assistant", "content": "a", "weight": null}]}""")]
    public void A_field_that_is_null_is_not_there(string line) => Assert.Single(Load(DatasetFormat.Chat, line).Train);

    [Fact]
    public void Conversations_need_a_chat_template()
    {
        var encoder = new SampleEncoder(Characters, Begin, End);
        var refusal = Assert.Throws<TrainingException>(
            () => Load(Recipe(DatasetFormat.Chat), encoder, """{"messages": [{"role": "assistant", "content": "a"}]}"""));
        Assert.Contains("no chat template", refusal.Message);
    }

    [Fact]
    public void A_conversation_that_the_chat_template_refuses_is_named()
    {
        var template = ChatTemplate.Parse("{% if messages | length > 1 %}{{ raise_exception('One message at most.') }}{% endif %}");
        var encoder = new SampleEncoder(
            Characters, Begin, End,
            (turns, opens) => string.Concat(template.Render([.. turns.Select(turn => new AiFabric.Engine.Tokenization.ChatTurn(turn.Role, turn.Content))], opens).Select(part => part.Text)));
        var refusal = Assert.Throws<TrainingException>(
            () => Load(Recipe(DatasetFormat.Chat), encoder, """{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"""));
        Assert.Equal((TrainingErrorReasons.InvalidDataset, false), (refusal.Error.Reason, refusal.Error.Retryable));
        Assert.EndsWith("line 1: the model's chat template refuses the conversation: One message at most.", refusal.Message);
    }

    [Fact]
    public void An_empty_data_set_is_refused() => Assert.Contains("is empty", Assert.Throws<TrainingException>(() => Load(DatasetFormat.Text, "", " ")).Message);

    [Fact]
    public void A_missing_file_is_named()
    {
        var refusal = Assert.Throws<TrainingException>(
            () => TrainingCorpus.Load(Recipe(DatasetFormat.Text) with { DatasetPath = "/nowhere.jsonl" }, Encoder, CancellationToken.None));
        Assert.Contains("/nowhere.jsonl: cannot be read", refusal.Message);
    }

    [Theory]
    [InlineData(DatasetFormat.Text)]
    [InlineData(DatasetFormat.PlainText)]
    public void A_file_that_the_disk_does_not_give_is_worth_another_try(DatasetFormat format)
    {
        // Its first page cannot be read: the kernel's own EIO.
        var refusal = Assert.Throws<TrainingException>(
            () => TrainingCorpus.Load(Recipe(format) with { DatasetPath = "/proc/self/mem" }, Encoder, CancellationToken.None));
        Assert.Equal((TrainingErrorReasons.StorageUnavailable, true), (refusal.Error.Reason, refusal.Error.Retryable));
        Assert.StartsWith("/proc/self/mem: ", refusal.Message);
    }

    [Fact]
    public void Bytes_that_are_no_text_are_refused()
    {
        File.WriteAllBytes(Path.Combine(folder, "data.jsonl"), [.. "{\"text\": \""u8, 0xff, 0xfe, .. "\"}"u8]);
        var refusal = Assert.Throws<TrainingException>(() => TrainingCorpus.Load(Recipe(DatasetFormat.Text), Encoder, CancellationToken.None));
        Assert.Contains("not valid UTF-8", refusal.Message);
    }

    [Fact]
    public void Long_samples_are_cut_and_those_with_nothing_left_to_learn_are_skipped()
    {
        TrainingCorpus corpus = Load(
            Recipe(DatasetFormat.PromptCompletion) with { SequenceLength = 4 }, Encoder,
            """{"prompt": "abcdefgh", "completion": "i"}""", """{"prompt": "a", "completion": "bcdefgh"}""");
        Assert.Equal(1, corpus.Skipped);
        Assert.Equal([Begin, 'a', 'b'], Assert.Single(corpus.Train).Inputs);
        var refusal = Assert.Throws<TrainingException>(() => Load(
            Recipe(DatasetFormat.PromptCompletion) with { SequenceLength = 4 }, Encoder, """{"prompt": "abcdefgh", "completion": "i"}"""));
        Assert.Contains("none of 1 samples has a token to learn within a sequence length of 4", refusal.Message);
    }

    [Fact]
    public void Messages_of_weight_0_are_read_but_not_learned()
    {
        TrainingSample sample = Load(DatasetFormat.Chat, """
            {"messages": [{"role": "assistant", "content": "p", "weight": 0}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "r", "weight": 1}]}
            """.ReplaceLineEndings(" ")).Train[0];
        Assert.Equal("<a>p;<u>q;<a>r", new string([.. sample.Inputs.Select(token => (char)token)]));
        Assert.Equal("r;", new string([.. sample.Targets.Where((_, i) => sample.Learned[i]).Select(token => (char)token)]));
    }

    [Fact]
    public void A_plain_text_is_cut_so_that_each_token_is_learned_once()
    {
        TrainingCorpus corpus = Load(Recipe(DatasetFormat.PlainText) with { SequenceLength = 4, EvalFraction = 0 }, Encoder, "abcdefg");
        Assert.Equal(["\u0001abc", "cdef", "fg\n\u0002"], corpus.Train.Select(sample => new string([.. sample.Inputs.Append(sample.Targets[^1]).Take(4).Select(token => (char)token)])));
        Assert.Equal("abcdefg\n\u0002", string.Concat(corpus.Train.SelectMany(sample => sample.Targets).Select(token => (char)token)));
        Assert.All(corpus.Train, sample => Assert.DoesNotContain(false, sample.Learned));
    }

    [Theory]
    [InlineData("""{"prompt": "ab", "chosen": "c", "rejected": "de"}""", "c", "de")]
    [InlineData("""{"input": {"messages": [{"role": "user", "content": "x"}]}, "preferred_output": [{"role": "assistant", "content": "c"}], "non_preferred_output": [{"role": "assistant", "content": "de"}]}""", "c;", "de;")]
    public void A_preference_is_two_sequences_of_which_the_answers_count(string line, string chosen, string rejected)
    {
        TrainingCorpus corpus = Load(Recipe(DatasetFormat.Preference) with { PreferenceBeta = 0.1 }, Encoder, line);
        Assert.Equal((2, 2), (corpus.Sides, corpus.Train.Count));
        Assert.Equal(
            [chosen, rejected],
            corpus.Train.Select(sample => new string([.. sample.Targets.Where((target, i) => sample.Learned[i] && target != End).Select(token => (char)token)])));
    }

    [Theory]
    [InlineData(DatasetFormat.PromptCompletion, """{"prompt": "a:", "completion": "b"}""", new long[] { 0, 5, 7, 4, 1 }, 2)]
    [InlineData(DatasetFormat.PromptCompletion, """{"prompt": "a:", "completion": " b"}""", new long[] { 0, 5, 7, 6, 1 }, 2)]
    [InlineData(DatasetFormat.PromptCompletion, """{"prompt": "", "completion": "b"}""", new long[] { 0, 6, 1 }, 2)]
    [InlineData(DatasetFormat.Chat, """{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}""", new long[] { 5, 7, 4, 1 }, 2)]
    [InlineData(
        DatasetFormat.Chat,
        """{"messages": [{"role": "assistant", "content": "b"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}""", new long[] { 6, 1, 5, 7, 4, 1 }, 3)]
    public void An_answer_has_the_tokens_that_follow_the_prompt_when_it_is_served(DatasetFormat format, string line, long[] tokens, int learned)
    {
        var tokenizer = HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(SentencePiece), new TokenizerSettings(null, "<s>", "</s>", true), "tokenizer.json");
        var encoder = new SampleEncoder(tokenizer, (turns, _) => string.Concat(turns.Select(turn => turn.Content + (turn.Role == "user" ? ":" : "</s>"))));
        TrainingSample sample = Load(Recipe(format), encoder, line).Train[0];
        Assert.Equal(tokens, sample.Targets.Prepend(sample.Inputs[0]));
        Assert.Equal(learned, sample.LossTokens);
    }

    [Fact]
    public void Shuffled_labels_are_the_same_tokens_in_another_order_and_spare_the_held_out_texts()
    {
        string[] lines = ["""{"text": "abcdefghijklmnop"}""", """{"text": "abcdefghijklmnop"}"""];
        TrainingCorpus plain = Load(DatasetFormat.Text, lines);
        TrainingCorpus shuffled = Load(Recipe(DatasetFormat.Text) with { ShuffleLabels = true }, Encoder, lines);
        Assert.NotEqual(plain.Train[0].Targets, shuffled.Train[0].Targets);
        Assert.Equal(plain.Train[0].Targets.Order(), shuffled.Train[0].Targets.Order());
        Assert.Equal(plain.Train[0].Inputs, shuffled.Train[0].Inputs);
        Assert.Equal(plain.HeldOut[0].Targets, shuffled.HeldOut[0].Targets);
        Assert.NotEqual(plain.Digest, shuffled.Digest);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static int[][] Characters(IReadOnlyList<string> parts, bool _) => [.. parts.Select(text => text.Select(c => (int)c).ToArray())];

    // Lines that differ in their first token, which tells their number.
    private static string[] Numbered(int lines) => [.. Enumerable.Range(0, lines).Select(i => $$"""{"text": "{{(char)('\u4e00' + i)}}x"}""")];

    private static int Number(TrainingSample sample) => (int)sample.Inputs[1] - '\u4e00';

    private TrainingCorpus Load(DatasetFormat format, params string[] lines) => Load(Recipe(format), Encoder, lines);

    private static TrainingCorpus Load(TrainingRecipe recipe, SampleEncoder encoder, params string[] lines)
    {
        File.WriteAllLines(recipe.DatasetPath, lines);
        return TrainingCorpus.Load(recipe, encoder, CancellationToken.None);
    }

    private TrainingRecipe Recipe(DatasetFormat format) => new()
    {
        AdapterName = "test",
        DatasetPath = Path.Combine(folder, "data.jsonl"),
        Format = format,
        CheckpointFolder = folder,
        OutputFolder = folder,
    };
}
