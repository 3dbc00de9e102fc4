using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Operator.Webhooks;
using Xunit;

namespace AiFabric.Tests.Operator.Webhooks;

public sealed class ReviewReaderTests
{
    private const string Head = "\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\"";
    private const string Of = "\"uid\":\"1\",\"resource\":{\"resource\":\"adapters\"}";

    [Theory]
    [InlineData("", "the body is empty")]
    [InlineData("hello", "the body is no AdmissionReview: 'h' is an invalid")]
    [InlineData("[]", "the body is no AdmissionReview: ")]
    [InlineData("null", "apiVersion '' and kind '' are not supported")]
    [InlineData("{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\"}", "apiVersion 'admission.k8s.io/v1beta1' and kind 'AdmissionReview' are not supported")]
    [InlineData("{" + Head + "}", "request is missing")]
    [InlineData("{" + Head + ",\"request\":{}}", "request.uid is missing")]
    [InlineData("{" + Head + ",\"request\":{\"uid\":\"1\",\"resource\":{\"resource\":\"pods\"}}}", "request.resource.resource is 'pods', but this path is for adapters")]
    [InlineData("{" + Head + ",\"request\":{" + Of + "}}", "request.operation '' is unknown")]
    [InlineData("{" + Head + ",\"request\":{" + Of + ",\"operation\":\"CREATE\"}}", "request.object is missing")]
    [InlineData("{" + Head + ",\"request\":{" + Of + ",\"operation\":\"CREATE\",\"object\":[1]}}", "the body is no AdmissionReview: ")]
    [InlineData("{" + Head + ",\"request\":{" + Of + ",\"operation\":\"UPDATE\",\"object\":{}}}", "request.oldObject is missing")]
    public void A_bad_body_gets_one_clear_line(string body, string expected)
    {
        Assert.False(ReviewReader.TryRead(Encoding.UTF8.GetBytes(body), "adapters", out AdmissionRequest? request, out string? error));
        Assert.Null(request);
        Assert.StartsWith(expected, error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void A_review_is_read_whatever_else_it_holds()
    {
        byte[] body = Encoding.UTF8.GetBytes(
            "{" + Head + ",\"request\":{" + Of + ",\"operation\":\"CREATE\",\"dryRun\":true,\"userInfo\":{},\"namespace\":\"team\",\"oldObject\":null,\"object\":{\"a\":1}}}");
        Assert.True(ReviewReader.TryRead(body, "adapters", out AdmissionRequest? request, out _));
        Assert.Equal(("1", "team"), (request.Uid, request.Namespace));
        Assert.Null(request.OldObject);
    }

    [Fact]
    public void An_answer_is_what_the_api_server_expects()
    {
        var request = new AdmissionRequest { Operation = "CREATE", Object = Reviews.Json(Make.Job(spec => spec.Output = null!)) };
        var review = new AdmissionReview
        {
            ApiVersion = AdmissionReview.Version,
            Kind = AdmissionReview.KindName,
            Response = Defaulting.Answer(Kinds.FinetuneJobs, request, "7"),
        };
        JsonNode json = JsonSerializer.SerializeToNode(review, AdmissionJson.Default.AdmissionReview)!;
        Assert.Equal("""["apiVersion","kind","response"]""", new JsonArray([.. json.AsObject().Select(field => (JsonNode)field.Key)]).ToJsonString());
        Assert.Equal(("7", true, "JSONPatch"), ((string?)json["response"]!["uid"], (bool)json["response"]!["allowed"]!, (string?)json["response"]!["patchType"]));
        Assert.Equal(
            """[{"op":"add","path":"/spec/output","value":{"adapterName":"job"}}]""",
            Encoding.UTF8.GetString(Convert.FromBase64String((string)json["response"]!["patch"]!)));
        Assert.False(json["response"]!.AsObject().ContainsKey("status"));
    }
}
