using AiFabric.Engine.Tokenization;
using AiFabric.Worker.Backend;
using Xunit;
using LearnedTurn = AiFabric.Engine.Training.Data.ChatTurn;

namespace AiFabric.Tests.Training;

public sealed class TrainingChatsTests
{
    // As the templates of Llama 3.2 do.
    private const string Dated =
        "{% if strftime_now is defined %}{% set date = strftime_now('%d %b %Y') %}{% else %}{% set date = '26 Jul 2024' %}{% endif %}"
        + "Today Date: {{ date }}{% for message in messages %}|{{ message.role }}:{{ message.content }}{% endfor %}{% if add_generation_prompt %}|assistant:{% endif %}";

    [Fact]
    public void A_template_that_writes_the_date_gives_the_same_data_on_every_day()
    {
        var render = TrainingChats.RendererOf(new TokenizerSettings(Dated, null, null, null));
        Assert.Equal("Today Date: 26 Jul 2024|user:a|assistant:", render?.Invoke([new LearnedTurn("user", "a")], true));
        Assert.Equal("Today Date: 26 Jul 2024|user:a|assistant:b", render?.Invoke([new LearnedTurn("user", "a"), new LearnedTurn("assistant", "b")], false));
    }

    [Fact]
    public void Without_a_template_there_is_no_rendering() => Assert.Null(TrainingChats.RendererOf(new TokenizerSettings(null, null, null, null)));
}
