using System.Text;
using AiFabric.Gateway;
using AiFabric.Gateway.Finetuning;
using AiFabric.Gateway.Finetuning.Files;
using AiFabric.Gateway.Finetuning.Orders;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Gateway.Finetuning;

public sealed class FileTests : IDisposable
{
    private const string Chat = """{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}""";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-files-");
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch + TimeSpan.FromDays(20_000));
    private readonly IOptions<GatewayOptions> _options;

    public FileTests() => _options = Options.Create(new GatewayOptions { FilesFolder = _folder.FullName, FilesUri = "http://gateway:8081/internal/", MaxFileBytes = 2_000 });

    public void Dispose() => _folder.Delete(recursive: true);

    private FileStore Store => new(_options, _time);

    [Theory]
    [InlineData("""{"text":"a"}""", null)]
    [InlineData("""{"prompt":"a","completion":"b"}""", null)]
    [InlineData(Chat, null)]
    [InlineData("""{"messages":[{"role":"user","content":"a"}]}""", "line 1: 'messages' must hold an assistant's message, which is what is learned")]
    [InlineData("""{"messages":[]}""", "line 1: 'messages' must be a list with at least one message")]
    [InlineData("""{"messages":[{"content":"a"}]}""", "line 1: each of 'messages' must be an object with a 'role'")]
    [InlineData("""{"messages":[{"role":"assistant","content":3}]}""", "line 1: 'content' must be a text")]
    [InlineData("""{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}]}""", "line 1: messages[1] has 'tool_calls', which finetuning does not support: only the text in 'content' is learned, so put it there or leave the line out")]
    [InlineData("""{"messages":[{"role":"assistant","content":"","function_call":{"name":"f"}}]}""", "line 1: messages[0] has 'function_call', which finetuning does not support: only the text in 'content' is learned, so put it there or leave the line out")]
    [InlineData("""{"messages":[{"role":"assistant","content":"b"}],"tools":[{"type":"function"}]}""", "line 1: has 'tools', which finetuning does not support: only the text in 'content' is learned, so put it there or leave the line out")]
    [InlineData("""{"functions":[],"messages":[{"role":"assistant","content":"b"}]}""", "line 1: has 'functions', which finetuning does not support: only the text in 'content' is learned, so put it there or leave the line out")]
    [InlineData("""{"messages":[{"role":"assistant","content":"b","tool_calls":null,"function_call":null}],"tools":null,"functions":null}""", null)]
    [InlineData("""{"prompt":"a"}""", "line 1: 'completion' must be a text")]
    [InlineData("[1]", "line 1: must be a JSON object")]
    [InlineData("{\"text\":\"a\"}\n{\"text\":", "line 2: no valid JSON; the file must be JSON lines, one object a line")]
    [InlineData("{\"text\":\"a\"}\n\n{\"prompt\":\"a\",\"completion\":\"b\"}", "line 3: is PromptCompletion, the lines before are Text; a file holds lines of one kind")]
    [InlineData("""{"text":"\ud800"}""", "line 1: no valid Unicode text")]
    [InlineData("{}", "line 1: must have 'messages', or 'prompt' and 'completion', or 'text'")]
    public void A_broken_line_is_named(string lines, string? wrong)
    {
        var checker = new LineChecker();
        string? found = lines.Split('\n').Select(line => checker.Take(Encoding.UTF8.GetBytes(line))).FirstOrDefault(said => said is not null);
        Assert.Equal(wrong, found);
    }

    [Fact]
    public async Task An_upload_is_kept_whole_and_only_its_tenant_sees_it()
    {
        string text = string.Join("\r\n", Enumerable.Repeat(Chat, 3));
        StoredFile file = Assert.IsType<StoredFile>((await UploadAsync(text)).File);
        Assert.Equal((LineFormat.Chat, text.Length, "../train.jsonl"[3..]), (file.Format, (int)file.Bytes, file.Filename));
        Assert.Equal(text, await File.ReadAllTextAsync(Store.PathOf(file), TestContext.Current.CancellationToken));
        Assert.Equal(file, Store.Find(file.Id, "me"));
        Assert.Null(Store.Find(file.Id, "you"));
        Assert.Null(Store.Find("file-../" + file.Id, "me"));
        Assert.Empty(Store.List("you"));
        Assert.Equal(Store.PathOf(file), Store.Fetch(file.Id, file.Key));
        Assert.Null(Store.Fetch(file.Id, file.Key[1..]));
        Assert.Equal($"http://gateway:8081/internal/files/{file.Id}/{file.Key}/content.jsonl", Store.UriOf(file));

        Store.Delete(file);
        Assert.Empty(Store.List("me"));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_folder.FullName, "files")));
    }

    [Fact]
    public async Task A_download_that_broke_goes_on_where_it_did_unless_the_file_is_another()
    {
        string path = Path.Combine(_folder.FullName, "train.jsonl");
        await File.WriteAllTextAsync(path, Chat, TestContext.Current.CancellationToken);
        (HttpResponse first, string whole) = await SendAsync(path);
        Assert.Equal((200, Chat), (first.StatusCode, whole));

        (HttpResponse second, string rest) = await SendAsync(path, first.Headers.ETag);
        Assert.Equal((206, Chat[5..]), (second.StatusCode, rest));

        await File.WriteAllTextAsync(path, Chat + Chat, TestContext.Current.CancellationToken);
        (HttpResponse third, string other) = await SendAsync(path, first.Headers.ETag);
        Assert.Equal((200, Chat + Chat), (third.StatusCode, other));
    }

    [Theory]
    [InlineData("{", "fine-tune", 400, "line 1")]
    [InlineData(Chat, "assistants", 400, "'purpose' must be 'fine-tune'")]
    [InlineData(Chat, null, 400, "'purpose' must be 'fine-tune'")]
    [InlineData("", "fine-tune", 400, "holds no line")]
    [InlineData("LONG", "fine-tune", 413, "larger than 2000 bytes")]
    public async Task A_refused_upload_leaves_nothing(string content, string? purpose, int status, string message)
    {
        string text = content == "LONG" ? string.Join('\n', Enumerable.Repeat(Chat, 100)) : content;
        (StoredFile? file, var error) = await UploadAsync(text, purpose);
        Assert.Null(file);
        Assert.Equal(status, error!.Status);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_folder.FullName, "files")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_input_of_a_pipeline_may_be_any_text_whichever_field_comes_first(bool purposeFirst)
    {
        const string text = "Once upon\na time\n\n{";
        (StoredFile? file, _) = await UploadAsync(text, "user_data", purposeFirst);
        Assert.Equal("user_data", file!.Purpose); // taken
        Assert.Equal(text, await File.ReadAllTextAsync(Store.PathOf(Store.Find(file.Id, "me")!), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(Chat, null)]
    [InlineData(Chat + "\n{\n" + Chat, "line 2")]
    [InlineData("", "holds no line")]
    public async Task Lines_to_train_on_are_checked_whichever_field_comes_first(string content, string? message)
    {
        (StoredFile? file, var error) = await UploadAsync(content, "fine-tune", purposeFirst: false);
        Assert.Equal(message is null, file is not null);
        Assert.Contains(message ?? "", error?.Message ?? "", StringComparison.Ordinal);
        Assert.Equal(file is null ? 0 : 1, Directory.GetFileSystemEntries(Path.Combine(_folder.FullName, "files")).Length);
    }

    [Fact]
    public void Pages_follow_each_other()
    {
        string[] all = ["e", "d", "c", "b", "a"];
        Assert.Equal("e d, more", Cut(2, null));
        Assert.Equal("c b, more", Cut(2, "d"));
        Assert.Equal("a", Cut(2, "b"));
        Assert.Equal("", Cut(2, "a"));
        Assert.Equal("", Cut(2, "nobody"));

        string Cut(int limit, string? after)
        {
            (IReadOnlyList<string> page, bool more) = new PageQuery(limit, after).Cut(all, entry => entry);
            return string.Join(' ', page) + (more ? ", more" : "");
        }
    }

    [Theory]
    [InlineData("My French!", "my-french-89abcdef")]
    [InlineData(null, "ft-89abcdef")]
    [InlineData("--", "ft-89abcdef")]
    public void Adapters_are_named_after_the_suffix(string? suffix, string expected) => Assert.Equal(expected, OrderReader.AdapterName(suffix, "ftjob-0123456789abcdef"));

    // From the sixth byte on, where the content is the one that a tag stands for.
    private static async Task<(HttpResponse Response, string Body)> SendAsync(string path, string? tag = null)
    {
        await using ServiceProvider services = new ServiceCollection().AddLogging().BuildServiceProvider();
        using var body = new MemoryStream();
        var context = new DefaultHttpContext { RequestServices = services };
        context.Request.Method = HttpMethods.Get;
        context.Response.Body = body;
        if (tag is not null)
            (context.Request.Headers.Range, context.Request.Headers.IfRange) = ("bytes=5-", tag);
        await FileEndpoints.SendAsync(context, path);
        return (context.Response, Encoding.UTF8.GetString(body.ToArray()));
    }

    private async Task<(StoredFile? File, AiFabric.Gateway.Http.OpenAIError? Error)> UploadAsync(
        string content, string? purpose = "fine-tune", bool purposeFirst = true)
    {
        using var form = new MultipartFormDataContent("cut");
        if (purpose is not null && purposeFirst)
            form.Add(new StringContent(purpose), "purpose");
        form.Add(new ByteArrayContent(Encoding.UTF8.GetBytes(content)), "file", "../train.jsonl");
        if (purpose is not null && !purposeFirst)
            form.Add(new StringContent(purpose), "purpose");
        var context = new DefaultHttpContext();
        context.Request.ContentType = form.Headers.ContentType!.ToString();
        context.Request.Body = await form.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        return await new UploadReader(Store, _options).ReadAsync(context.Request, "me", TestContext.Current.CancellationToken);
    }
}
