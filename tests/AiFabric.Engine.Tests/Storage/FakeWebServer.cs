using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace AiFabric.Engine.Tests.Storage;

/// <summary>A request as it came.</summary>
internal sealed record SeenRequest(string Method, string Path, string Authorization, string Range);

/// <summary>A fake web server on a free loopback port: files with ETag, Range and If-Range, and faults on demand.</summary>
internal sealed class FakeWebServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private int cuts;
    private long cutAfter;

    private FakeWebServer(WebApplication app) => this.app = app;

    public Uri Url => new(app.Urls.First());

    /// <summary>Content by path, as in <c>/m/config.json</c>.</summary>
    public ConcurrentDictionary<string, byte[]> Files { get; } = new();

    public ConcurrentQueue<SeenRequest> Seen { get; } = new();

    /// <summary>Answers itself and returns true, or leaves the request to the files.</summary>
    public Func<HttpContext, Task<bool>> Before { get; set; } = _ => Task.FromResult(false);

    /// <summary>Held for every body after its first half, until it ends.</summary>
    public Task HoldAtHalf { get; set; } = Task.CompletedTask;

    /// <summary>Whether answers carry an ETag.</summary>
    public bool Tags { get; set; } = true;

    public static async Task<FakeWebServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        var server = new FakeWebServer(builder.Build());
        server.app.Run(server.AnswerAsync);
        await server.app.StartAsync();
        return server;
    }

    /// <summary>Breaks the next <paramref name="times"/> connections after so many bytes of a body.</summary>
    public void Cut(int times, long afterBytes) => (cuts, cutAfter) = (times, afterBytes);

    /// <summary>Shaped like S3's tags of objects sent in parts, for S3's client takes all others for an MD5 and compares.</summary>
    public static string TagOf(byte[] content) => $"\"{Convert.ToHexStringLower(SHA256.HashData(content))[..32]}-1\"";

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        Seen.Enqueue(new SeenRequest(request.Method, request.Path.Value ?? "", request.Headers.Authorization.ToString(), request.Headers.Range.ToString()));
        if (await Before(context))
            return;
        if (!Files.TryGetValue(request.Path.Value ?? "", out byte[]? content))
        {
            response.StatusCode = 404;
            return;
        }
        if (Tags)
            response.Headers.ETag = TagOf(content);
        (long from, int end) = RangeOf(request, content);
        if (from > 0 || end < content.Length)
        {
            response.StatusCode = 206;
            response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes {from}-{end - 1}/{content.Length}");
        }
        response.ContentLength = end - from;
        if (request.Method != "HEAD")
            await SendAsync(context, content[..end], from);
    }

    private static (long From, int End) RangeOf(HttpRequest request, byte[] content)
    {
        if (request.GetTypedHeaders().Range?.Ranges.FirstOrDefault() is not { From: { } from } range)
            return (0, content.Length);
        string wanted = request.Headers.IfRange.ToString();
        return wanted.Length == 0 || wanted == TagOf(content) ? (from, (int)Math.Min(range.To ?? long.MaxValue, content.Length - 1) + 1) : (0, content.Length);
    }

    private async Task SendAsync(HttpContext context, byte[] content, long from)
    {
        int half = (int)((content.Length + from) / 2);
        if (Interlocked.Decrement(ref cuts) >= 0)
        {
            await context.Response.Body.WriteAsync(content.AsMemory((int)from, (int)Math.Min(cutAfter, content.Length - from)));
            await context.Response.Body.FlushAsync();
            context.Abort();
            return;
        }
        await context.Response.Body.WriteAsync(content.AsMemory((int)from..half));
        await context.Response.Body.FlushAsync();
        await HoldAtHalf.WaitAsync(context.RequestAborted);
        await context.Response.Body.WriteAsync(content.AsMemory(half));
    }
}
