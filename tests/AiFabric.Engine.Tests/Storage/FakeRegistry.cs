using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace AiFabric.Engine.Tests.Storage;

/// <summary>A fake OCI registry that wants a token from its realm for every few requests, and redirects blobs to another origin.</summary>
internal sealed class FakeRegistry : IAsyncDisposable
{
    public const string Repository = "team/models/tiny";

    private readonly Dictionary<string, (string Type, byte[] Body)> manifests = [];
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, int> uses = new();
    private int tokens;

    private FakeRegistry(FakeWebServer registry, FakeWebServer content) => (Registry, Content) = (registry, content);

    public FakeWebServer Registry { get; }

    public FakeWebServer Content { get; }

    /// <summary>Requests that one token is good for.</summary>
    public int TokenUses { get; set; } = 3;

    /// <summary>Basic credentials that the realm wants; null for none.</summary>
    public string? Login { get; set; }

    public int TokensGiven => tokens;

    public string Authority => Registry.Url.Authority;

    public static async Task<FakeRegistry> StartAsync()
    {
        var fake = new FakeRegistry(await FakeWebServer.StartAsync(), await FakeWebServer.StartAsync());
        fake.Registry.Before = fake.AnswerAsync;
        return fake;
    }

    /// <summary>Puts a manifest under a tag; its layers become blobs.</summary>
    /// <returns>Its digest.</returns>
    public string Push(string tag, params (string MediaType, byte[] Content, Dictionary<string, string>? Annotations)[] layers)
    {
        const string Type = "application/vnd.oci.image.manifest.v1+json";
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new
        {
            schemaVersion = 2,
            mediaType = Type,
            layers = layers.Select(layer => new { mediaType = layer.MediaType, digest = Blob(layer.Content), size = layer.Content.Length, annotations = layer.Annotations }),
        });
        return Put(tag, Type, body);
    }

    /// <summary>Puts an index of other manifests under a tag.</summary>
    public string PushIndex(string tag, params (string Digest, string Architecture)[] entries)
    {
        const string Type = "application/vnd.oci.image.index.v1+json";
        return Put(tag, Type, JsonSerializer.SerializeToUtf8Bytes(new
        {
            schemaVersion = 2,
            mediaType = Type,
            manifests = entries.Select(entry => new { digest = entry.Digest, platform = new { os = "linux", architecture = entry.Architecture } }),
        }));
    }

    /// <summary>Replaces what is sent for a reference, its digest untouched.</summary>
    public void Tamper(string reference) => manifests[reference] = manifests[reference] with { Body = [.. manifests[reference].Body, (byte)' '] };

    public async ValueTask DisposeAsync()
    {
        await Registry.DisposeAsync();
        await Content.DisposeAsync();
    }

    private string Put(string tag, string type, byte[] body)
    {
        string digest = DigestOf(body);
        manifests[tag] = manifests[digest] = (type, body);
        return digest;
    }

    private string Blob(byte[] content)
    {
        Content.Files["/data/" + DigestOf(content)] = content;
        return DigestOf(content);
    }

    private async Task<bool> AnswerAsync(HttpContext context)
    {
        string path = context.Request.Path.Value ?? "";
        if (path == "/token")
            await GiveTokenAsync(context);
        else if (!IsGood(context.Request.Headers.Authorization.ToString()))
            await ChallengeAsync(context);
        else if (path.StartsWith($"/v2/{Repository}/manifests/", StringComparison.Ordinal))
            await SendManifestAsync(context, path[(path.LastIndexOf('/') + 1)..]);
        else if (path.StartsWith($"/v2/{Repository}/blobs/", StringComparison.Ordinal))
            context.Response.Redirect(new Uri(Content.Url, "/data/" + path[(path.LastIndexOf('/') + 1)..]).AbsoluteUri, permanent: false, preserveMethod: true);
        else
            context.Response.StatusCode = 404;
        return true;
    }

    private bool IsGood(string authorization) => uses.ContainsKey(authorization) && uses.AddOrUpdate(authorization, 1, (_, used) => used + 1) <= TokenUses;

    private async Task GiveTokenAsync(HttpContext context)
    {
        var query = context.Request.Query;
        bool right = query["service"] == "fake registry" && query["scope"] == $"repository:{Repository}:pull"
            && (Login is null || context.Request.Headers.Authorization == "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(Login)));
        if (!right)
        {
            context.Response.StatusCode = 401;
            await context.Response.WriteAsync("""{"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}""");
            return;
        }
        string token = $"token-{Interlocked.Increment(ref tokens)}";
        uses["Bearer " + token] = 0;
        await context.Response.WriteAsync(JsonSerializer.Serialize(new { token, expires_in = 60 }));
    }

    private async Task ChallengeAsync(HttpContext context)
    {
        context.Response.StatusCode = 401;
        context.Response.Headers.WWWAuthenticate = $"Bearer realm=\"{Registry.Url}token\",service=\"fake registry\",scope=\"repository:{Repository}:pull\"";
        await context.Response.WriteAsync("""{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}""");
    }

    private async Task SendManifestAsync(HttpContext context, string reference)
    {
        if (!manifests.TryGetValue(reference, out var manifest) || !context.Request.Headers.Accept.ToString().Contains(manifest.Type, StringComparison.Ordinal))
        {
            context.Response.StatusCode = 404;
            await context.Response.WriteAsync("""{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}""");
            return;
        }
        context.Response.ContentType = manifest.Type;
        await context.Response.Body.WriteAsync(manifest.Body);
    }

    private static string DigestOf(byte[] content) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));
}
