using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed partial class TrainingCorpusTests
{
    // Writes thoughts (~) into the last message alone, as Qwen 3's chat template does.
    private static SampleEncoder Rewriting => new(
        Characters, Begin, End,
        (turns, open) => string.Concat(turns.Select((turn, i) => $"<{turn.Role[0]}>{(turn.Role == "assistant" && i == turns.Count - 1 ? "~" : "")}{turn.Content};"))
            + (open ? "<a>" : ""));

    [Fact]
    public void Where_the_chat_template_changes_earlier_messages_each_answer_is_learned_behind_what_the_model_will_read()
    {
        TrainingCorpus corpus = Load(Recipe(DatasetFormat.Chat) with { EvalFraction = 0 }, Rewriting, """
            {"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "q"}, {"role": "user", "content": "r"}, {"role": "assistant", "content": "s"}]}
            """);
        Assert.Equal(["<u>p;<a>~q", "<u>p;<a>q;<u>r;<a>~s"], corpus.Train.Select(InputsOf));
        Assert.Equal(["~q;", "~s;"], corpus.Train.Select(LearnedOf));
    }

    [Fact]
    public void Of_what_was_said_before_a_preference_the_chat_template_may_change_anything()
    {
        TrainingCorpus corpus = Load(Recipe(DatasetFormat.Preference) with { PreferenceBeta = 0.1 }, Rewriting, Preference("""[{"role": "assistant", "content": "s"}]"""));
        Assert.Equal(["<u>p;<a>q;<u>r;<a>~s", "<u>p;<a>q;<u>r;<a>~t"], corpus.Train.Select(InputsOf));
        Assert.Equal(["~s;", "~t;"], corpus.Train.Select(LearnedOf));
    }

    [Fact]
    public void Of_a_preferred_output_it_may_not()
    {
        string two = """[{"role": "assistant", "content": "s"}, {"role": "user", "content": "v"}, {"role": "assistant", "content": "w"}]""";
        var refusal = Assert.Throws<TrainingException>(() => Load(Recipe(DatasetFormat.Preference) with { PreferenceBeta = 0.1 }, Rewriting, Preference(two)));
        Assert.Contains("line 1: field 'preferred_output' has several messages of the assistant", refusal.Message);
    }

    [Fact]
    public void A_chat_template_that_opens_an_answer_in_another_way_than_it_writes_one_is_refused()
    {
        var encoder = new SampleEncoder(Characters, Begin, End, (turns, open) => string.Concat(turns.Select(turn => turn.Content)) + (open ? "<think>" : ""));
        var refusal = Assert.Throws<TrainingException>(() => Load(Recipe(DatasetFormat.Chat), encoder, """{"messages": [{"role": "assistant", "content": "a"}]}"""));
        Assert.Contains("line 1: the chat template opens an answer in another way than it writes one", refusal.Message);
    }

    private static string Preference(string preferred) =>
        """{"input": {"messages": [{"role": "user", "content": "p"}, {"role": "assistant", "content": "q"}, {"role": "user", "content": "r"}]}, "preferred_output": """
        + preferred + """, "non_preferred_output": [{"role": "assistant", "content": "t"}]}""";

    private static string InputsOf(TrainingSample sample) => new([.. sample.Inputs.Select(token => (char)token)]);

    private static string LearnedOf(TrainingSample sample) => new([.. sample.Targets.Where((_, i) => sample.Learned[i]).Select(token => (char)token)]);
}
