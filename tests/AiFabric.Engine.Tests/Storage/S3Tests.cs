using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Engine.Tests.Storage;

public sealed class S3Tests : IDisposable
{
    private const string Assumed =
        "<AssumeRoleWithWebIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><AssumeRoleWithWebIdentityResult><Credentials>"
        + "<AccessKeyId>AKIATEST</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
        + "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

    private readonly StoreBench bench = new();
    private readonly ModelFolder model = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_prefix_is_a_folder(bool checksums)
    {
        await using var s3 = await StartAsync();
        s3.TellsChecksums = checksums;
        string folder = await bench.DownloadAsync("s3://models/tiny/v1");
        StoreBench.AssertSame(model.Path, folder);
        Assert.Equal(3, Directory.GetFiles(folder).Length);
        Assert.All(s3.Web.Seen, seen => Assert.Contains("/eu-north-1/s3/aws4_request", seen.Authorization, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_key_is_a_file()
    {
        await using var s3 = await StartAsync();
        (string file, var lease) = await bench.NewStore().FileAsync("s3://models/tiny/v1/config.json", CancellationToken.None);
        using var held = lease;
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(model.Path, "config.json")), await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task Broken_connections_go_on_where_they_broke()
    {
        await using var s3 = await StartAsync();
        s3.Web.Files.Remove("/models/tiny/v1/config.json", out _);
        s3.Web.Files.Remove("/models/tiny/v1/tokenizer.json", out _);
        s3.Web.Cut(times: 2, afterBytes: 700_000);
        string folder = await bench.DownloadAsync("s3://models/tiny/v1");
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(model.Path, "model.safetensors")), await File.ReadAllBytesAsync(Path.Combine(folder, "model.safetensors")));
        Assert.Equal(2, s3.Web.Seen.Count(seen => seen.Method == "GET" && seen.Range.StartsWith("bytes=", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_refusal_is_told_with_the_servers_code_and_the_variables_to_set()
    {
        await using var s3 = await StartAsync();
        s3.KeyId = "AKIAOTHER";
        var download = bench.DownloadAsync("s3://models/tiny/v1");
        string message = await bench.FailureAsync();
        Assert.Contains("answered 403: AccessDenied: Access Denied; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", message, StringComparison.Ordinal);
        s3.KeyId = "AKIATEST";
        StoreBench.AssertSame(model.Path, await download);
    }

    [Fact]
    public async Task A_service_accounts_role_gives_the_credentials()
    {
        await using var s3 = await StartAsync();
        bench.Environment.Remove("AWS_ACCESS_KEY_ID");
        bench.Environment.Remove("AWS_SECRET_ACCESS_KEY");
        await using var sts = await FakeWebServer.StartAsync();
        sts.Before = async context =>
        {
            context.Response.ContentType = "text/xml";
            await context.Response.WriteAsync(Assumed);
            return true;
        };
        using var work = new TemporaryFolder();
        // As EKS sets them. The SDK looks at the process's own.
        var role = new Dictionary<string, string>
        {
            ["AWS_WEB_IDENTITY_TOKEN_FILE"] = work.Write("token", "token of the service account"),
            ["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/models",
            ["AWS_REGION"] = "eu-north-1",
            ["AWS_ENDPOINT_URL_STS"] = sts.Url.AbsoluteUri,
        };
        try
        {
            foreach (var (name, value) in role)
                Environment.SetEnvironmentVariable(name, value);
            StoreBench.AssertSame(model.Path, await bench.DownloadAsync("s3://models/tiny/v1"));
        }
        finally
        {
            foreach (string name in role.Keys)
                Environment.SetEnvironmentVariable(name, null);
        }
    }

    [Fact]
    public async Task Wrong_content_is_refused_and_fetched_anew()
    {
        await using var s3 = await StartAsync();
        const string Weights = "/models/tiny/v1/model.safetensors";
        byte[] right = s3.Web.Files[Weights];
        string? told = null;
        int sent = 0;
        var answer = s3.Web.Before;
        s3.Web.Before = async context =>
        {
            // Two bad transfers, of which the checksum told before knows.
            if (context.Request is { Method: "GET" } && context.Request.Path == Weights && Interlocked.Increment(ref sent) <= 2)
            {
                byte[] wrong = (byte[])right.Clone();
                wrong[5] ^= 1;
                context.Response.Headers.ETag = told = FakeWebServer.TagOf(right);
                context.Response.ContentLength = wrong.Length;
                await context.Response.Body.WriteAsync(wrong);
                return true;
            }
            return await answer(context);
        };
        var download = bench.DownloadAsync("s3://models/tiny/v1");
        Assert.Contains("model.safetensors: the content sent is not what the server's checksum", await bench.FailureAsync(), StringComparison.Ordinal);
        StoreBench.AssertSame(model.Path, await download);
        Assert.NotNull(told);
    }

    public void Dispose()
    {
        bench.Dispose();
        model.Dispose();
    }

    private async Task<FakeS3> StartAsync()
    {
        var s3 = await FakeS3.StartAsync("models", "tiny/v1/", model.Path);
        bench.Environment["AWS_ENDPOINT_URL"] = s3.Web.Url.AbsoluteUri;
        bench.Environment["AWS_REGION"] = "eu-north-1";
        (bench.Environment["AWS_ACCESS_KEY_ID"], bench.Environment["AWS_SECRET_ACCESS_KEY"]) = ("AKIATEST", "secret");
        return s3;
    }
}
