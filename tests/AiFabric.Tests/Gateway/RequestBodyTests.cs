using System.Text;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Routing;
using Xunit;

namespace AiFabric.Tests.Gateway;

public sealed class RequestBodyTests
{
    private static (RequestBody? Body, OpenAIError? Error) Parse(string json) => RequestBody.Parse(Encoding.UTF8.GetBytes(json));

    [Theory]
    [InlineData("""{"model":"m","n":1}""", "m")]
    [InlineData("""{"messages":[{"model":"inner"}],"model":"outer"}""", "outer")]
    [InlineData("""  {"a":{"b":[1,2]}, "model" : "späte/ß:x" } """, "späte/ß:x")]
    public void The_top_level_model_is_found(string json, string model) => Assert.Equal(model, Parse(json).Body!.Model);

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("[1]", "JSON object")]
    [InlineData("""{"model":1}""", "must be a string")]
    [InlineData("""{"messages":[]}""", "'model' is required")]
    [InlineData("""{"model":""}""", "'model' is required")]
    [InlineData("""{"model":"m" """, "line 1")]
    [InlineData("""{"model":"m"} x""", "line 1")]
    public void A_body_without_a_usable_model_is_refused_with_400(string json, string message)
    {
        (RequestBody? body, OpenAIError? error) = Parse(json);
        Assert.Null(body);
        Assert.Equal(400, error!.Status);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"model":"m","messages":[1,2,3],"prompt":null,"input":null}""", 7)]
    [InlineData("""{"model":"m","prompt":"abc","messages":null}""", 5)]
    [InlineData("""{"model":"m","input":["abcd","e"]}""", 12)]
    [InlineData("""{"model":"m","messages":null}""", 0)]
    public void What_a_model_reads_is_measured_and_null_is_as_if_the_field_were_not_there(string json, int bytes) =>
        Assert.Equal(bytes, Parse(json).Body!.TextBytes);

    [Fact]
    public void Only_the_model_is_rewritten()
    {
        RequestBody body = Parse("""{ "x" : 1.50, "model":"team/m:a" , "y":"\u00e9" }""").Body!;
        Assert.Equal("""{ "x" : 1.50, "model":"m:a" , "y":"\u00e9" }""", Encoding.UTF8.GetString(body.WithModel("m:a").Span));
        Assert.Equal("""{ "x" : 1.50, "model":"team/m:a" , "y":"\u00e9" }""", Encoding.UTF8.GetString(body.WithModel("team/m:a").Span));
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused_with_413_even_without_a_length()
    {
        var context = new Microsoft.AspNetCore.Http.DefaultHttpContext();
        context.Request.Body = new MemoryStream(new byte[5_000]);
        (_, OpenAIError? error) = await RequestBody.ReadAsync(context.Request, 4_096, TestContext.Current.CancellationToken);
        Assert.Equal(413, error!.Status);
    }
}
