using System.Text;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Pipelines.Runs;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

public sealed class PipelineRequestTests
{
    private static (PipelineRequest? Request, OpenAIError? Error) Read(string messages) =>
        PipelineRequest.Read(Encoding.UTF8.GetBytes($$"""{"model":"m","messages":{{messages}}}"""));

    [Theory]
    [InlineData("""[{"role":"user","content":"Hi"}]""", "Hi")]
    [InlineData("""[{"role":"user","content":[{"type":"text","text":"H"},{"type":"text","text":"i"}]}]""", "Hi")]
    [InlineData("""[{"role":"system","content":"Be short."},{"role":"user","content":"Hi"}]""", "system: Be short.\nuser: Hi")]
    public void The_text_is_that_of_the_messages(string messages, string text) => Assert.Equal(text, Read(messages).Request!.Text);

    [Theory]
    [InlineData("[null]", "messages[0]")]
    [InlineData("""[{"role":"user","content":"a"},null]""", "messages[1]")]
    [InlineData("""[{"role":"user","content":"\ud83d"}]""", "messages")]
    [InlineData("""[{"role":"user","content":[{"type":"text","text":"\ud83d"}]}]""", "messages")]
    [InlineData("""[{"role":"user","content":[{"type":1,"text":"x"}]}]""", "messages")]
    [InlineData("""[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]""", "messages")]
    [InlineData("[]", "messages")]
    public void Messages_that_are_no_text_are_refused_by_field(string messages, string field)
    {
        (PipelineRequest? request, OpenAIError? error) = Read(messages);
        Assert.Null(request);
        Assert.Equal((400, field), (error!.Status, error.Param));
    }

    [Fact]
    public void More_than_a_run_holds_is_refused()
    {
        Assert.Equal(ItemText.MaxLength, Read($$"""[{"role":"user","content":"{{new string('x', ItemText.MaxLength)}}"}]""").Request!.Text.Length);
        OpenAIError error = Read($$"""[{"role":"user","content":"{{new string('x', ItemText.MaxLength + 1)}}"}]""").Error!;
        Assert.Equal((400, "input_too_long", "messages"), (error.Status, error.Code, error.Param));
    }
}
