using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace AiFabric.Engine.Tests.Storage;

/// <summary>
/// A fake of the Hugging Face hub and of the content servers it redirects to, which are another origin: what a client must not send its token to.
/// Large files (here: *.safetensors) are redirected with the X-Linked headers, small ones are sent by the hub itself.
/// </summary>
internal sealed class FakeHub : IAsyncDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly Dictionary<string, byte[]> files = [];

    private FakeHub(FakeWebServer hub, FakeWebServer content) => (Hub, Content) = (hub, content);

    public FakeWebServer Hub { get; }

    /// <summary>The origin of large files.</summary>
    public FakeWebServer Content { get; }

    /// <summary>Token that the hub asks for; null for none.</summary>
    public string? Token { get; set; }

    /// <summary>Requests to be answered with 429 before the next good one.</summary>
    public int Busy { get; set; }

    /// <summary>Whether the list tells sizes and checksums; mirrors may not.</summary>
    public bool ListsBlobs { get; set; } = true;

    /// <param name="repository">Its name, with the owner's.</param>
    /// <param name="folder">Whose files it holds.</param>
    /// <param name="others">Files that it holds besides.</param>
    public static async Task<FakeHub> StartAsync(string repository, string folder, params string[] others)
    {
        var fake = new FakeHub(await FakeWebServer.StartAsync(), await FakeWebServer.StartAsync());
        foreach (string path in Directory.GetFiles(folder))
            fake.files[Path.GetFileName(path)] = await File.ReadAllBytesAsync(path);
        foreach (string name in (string[])["pytorch_model.bin", "onnx/model.onnx", .. others])
            fake.files[name] = new byte[1000];
        foreach (var (name, bytes) in fake.files)
        {
            fake.Hub.Files[$"/{repository}/resolve/{Commit}/{name}"] = bytes;
            if (IsLarge(name))
                fake.Content.Files[$"/lfs/{Sha256(bytes)}"] = bytes;
        }
        fake.Hub.Before = context => fake.AnswerAsync(context, repository);
        return fake;
    }

    public async ValueTask DisposeAsync()
    {
        await Hub.DisposeAsync();
        await Content.DisposeAsync();
    }

    private async Task<bool> AnswerAsync(HttpContext context, string repository)
    {
        string path = context.Request.Path.Value ?? "";
        if (Busy > 0)
        {
            Busy--;
            context.Response.Headers.RetryAfter = "0";
            context.Response.StatusCode = 429;
            return true;
        }
        if (Token is not null && context.Request.Headers.Authorization != $"Bearer {Token}")
        {
            context.Response.StatusCode = 401;
            context.Response.Headers["X-Error-Code"] = "GatedRepo";
            context.Response.Headers["X-Error-Message"] = $"Access to model {repository} is restricted.";
            return true;
        }
        if (path.StartsWith($"/api/models/{repository}/revision/", StringComparison.Ordinal))
        {
            await DescribeAsync(context, path[(path.LastIndexOf('/') + 1)..], repository);
            return true;
        }
        string prefix = $"/{repository}/resolve/{Commit}/";
        return path.StartsWith(prefix, StringComparison.Ordinal) && Resolve(context, path[prefix.Length..]);
    }

    private async Task DescribeAsync(HttpContext context, string revision, string repository)
    {
        if (revision is not ("main" or "v1" or Commit))
        {
            context.Response.StatusCode = 404;
            await context.Response.WriteAsync(JsonSerializer.Serialize(new { error = $"Invalid rev id: {revision}" }));
            return;
        }
        await context.Response.WriteAsync(JsonSerializer.Serialize(new
        {
            id = repository,
            sha = Commit,
            siblings = files.Select(file => ListsBlobs ? Describe(file.Key, file.Value) : new { rfilename = file.Key }),
        }));
    }

    private static object Describe(string name, byte[] bytes) => IsLarge(name)
        ? new { rfilename = name, size = bytes.Length, lfs = new { sha256 = Sha256(bytes), size = bytes.Length, pointerSize = 134 } }
        : new { rfilename = name, size = bytes.Length, blobId = GitName(bytes) };

    private bool Resolve(HttpContext context, string name)
    {
        if (!files.TryGetValue(name, out byte[]? bytes))
            return false;
        context.Response.Headers["X-Repo-Commit"] = Commit;
        if (!IsLarge(name))
            return false; // The file itself follows; ETag is set by the server of files.
        context.Response.Headers["X-Linked-Size"] = bytes.Length.ToString(CultureInfo.InvariantCulture);
        context.Response.Headers["X-Linked-ETag"] = $"\"{Sha256(bytes)}\"";
        context.Response.StatusCode = 302;
        context.Response.Headers.Location = new Uri(Content.Url, $"/lfs/{Sha256(bytes)}?X-Amz-Signature=secret").AbsoluteUri;
        return true;
    }

    private static bool IsLarge(string name) => name.EndsWith(".safetensors", StringComparison.Ordinal);

    private static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static string GitName(byte[] bytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"));
        hash.AppendData(bytes);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
