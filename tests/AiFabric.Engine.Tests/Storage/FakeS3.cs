using System.Security.Cryptography;
using System.Xml.Linq;
using Microsoft.AspNetCore.Http;

namespace AiFabric.Engine.Tests.Storage;

/// <summary>A fake S3 server: lists two keys a page, tells SHA-256 checksums when asked, and looks at who signs rather than at the signature.</summary>
internal sealed class FakeS3 : IAsyncDisposable
{
    private const int PageSize = 2;
    private static readonly XNamespace Xml = "http://s3.amazonaws.com/doc/2006-03-01/";

    private readonly string bucket;

    private FakeS3(FakeWebServer web, string bucket)
    {
        (Web, this.bucket) = (web, bucket);
        web.Before = AnswerAsync;
    }

    public FakeWebServer Web { get; }

    /// <summary>The one that may read.</summary>
    public string KeyId { get; set; } = "AKIATEST";

    public bool TellsChecksums { get; set; } = true;

    public static async Task<FakeS3> StartAsync(string bucket, string prefix, string folder)
    {
        var web = await FakeWebServer.StartAsync();
        foreach (string path in Directory.GetFiles(folder))
            web.Files[$"/{bucket}/{prefix}{Path.GetFileName(path)}"] = await File.ReadAllBytesAsync(path);
        web.Files[$"/{bucket}/{prefix}"] = [];
        web.Files[$"/{bucket}/other/big.bin"] = new byte[10];
        return new FakeS3(web, bucket);
    }

    public ValueTask DisposeAsync() => Web.DisposeAsync();

    private async Task<bool> AnswerAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        if (!request.Headers.Authorization.ToString().StartsWith($"AWS4-HMAC-SHA256 Credential={KeyId}/", StringComparison.Ordinal))
        {
            await FailAsync(response, 403, "AccessDenied", "Access Denied");
            return true;
        }
        string path = request.Path.Value ?? "";
        if (path.TrimEnd('/') == "/" + bucket)
        {
            await ListAsync(context);
            return true;
        }
        if (!Web.Files.TryGetValue(path, out byte[]? content))
        {
            await FailAsync(response, 404, "NoSuchKey", "The specified key does not exist.");
            return true;
        }
        string wanted = request.Headers.IfMatch.ToString();
        if (wanted.Length > 0 && wanted != FakeWebServer.TagOf(content))
        {
            await FailAsync(response, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
            return true;
        }
        if (TellsChecksums && request.Headers["x-amz-checksum-mode"] == "ENABLED")
            response.Headers["x-amz-checksum-sha256"] = Convert.ToBase64String(SHA256.HashData(content));
        return false;
    }

    private async Task ListAsync(HttpContext context)
    {
        string prefix = $"/{bucket}/{context.Request.Query["prefix"]}";
        string after = context.Request.Query["continuation-token"].ToString();
        string[] keys = [.. Web.Files.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)).Select(key => key[(bucket.Length + 2)..])
            .Order(StringComparer.Ordinal).Where(key => string.CompareOrdinal(key, after) > 0)];
        string[] page = [.. keys.Take(PageSize)];
        var list = new XElement(Xml + "ListBucketResult", new XElement(Xml + "Name", bucket), new XElement(Xml + "KeyCount", page.Length));
        list.Add(new XElement(Xml + "IsTruncated", keys.Length > page.Length));
        if (keys.Length > page.Length)
            list.Add(new XElement(Xml + "NextContinuationToken", page[^1]));
        list.Add(page.Select(key => new XElement(
            Xml + "Contents", new XElement(Xml + "Key", key), new XElement(Xml + "Size", Web.Files[$"/{bucket}/{key}"].Length))));
        context.Response.ContentType = "application/xml";
        await context.Response.WriteAsync(list.ToString());
    }

    private static async Task FailAsync(HttpResponse response, int status, string code, string message)
    {
        response.StatusCode = status;
        response.ContentType = "application/xml";
        if (response.HttpContext.Request.Method != "HEAD")
            await response.WriteAsync(new XElement("Error", new XElement("Code", code), new XElement("Message", message)).ToString());
    }
}
