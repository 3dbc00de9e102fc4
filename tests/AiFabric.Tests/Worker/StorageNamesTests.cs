using AiFabric.Protocol;
using AiFabric.Worker.Storage;
using AiFabric.Worker.Storage.Sources;
using AiFabric.Worker.Storage.Transfer;
using Xunit;

namespace AiFabric.Tests.Worker;

public sealed class StorageNamesTests
{
    [Theory]
    [InlineData("hf://org/name", null, "models", "org/name", "main", "")]
    [InlineData("hf://org/name@v1", null, "models", "org/name", "v1", "")]
    [InlineData("hf://org/name", "v1", "models", "org/name", "v1", "")]
    [InlineData("hf://org/name@refs%2Fpr%2F1/sub/folder", null, "models", "org/name", "refs/pr/1", "sub/folder")]
    [InlineData("hf://datasets/org/name@v1/data/train.jsonl", null, "datasets", "org/name", "v1", "data/train.jsonl")]
    public void A_place_on_the_hub_is_read(string uri, string? revision, string kind, string repository, string expected, string path) =>
        Assert.Equal(new HubUri(kind, repository, expected, path), HubUri.Parse(uri, revision));

    [Theory]
    [InlineData("hf://name", null, "names no repository")]
    [InlineData("hf://datasets/org", null, "names no repository")]
    [InlineData("hf://org/name@v1", "v2", "names the revision 'v1', yet 'v2'")]
    public void A_place_that_is_none_is_refused(string uri, string? revision, string message) =>
        Assert.Contains(message, Assert.Throws<StorageException>(() => HubUri.Parse(uri, revision)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("hf://org/name", "model-00001-of-00002.safetensors", true)]
    [InlineData("hf://org/name", "tokenizer.json", true)]
    [InlineData("hf://org/name", "chat_template.jinja", true)]
    [InlineData("hf://org/name", "pytorch_model.bin", false)]
    [InlineData("hf://org/name", "original/model.safetensors", false)]
    [InlineData("hf://org/name/original", "original/model.safetensors", true)]
    [InlineData("hf://org/name/original", "original2/model.safetensors", false)]
    [InlineData("hf://datasets/org/name", "deep/train.jsonl", true)]
    public void Of_a_repository_only_what_is_asked_for_is_taken(string uri, string file, bool wanted) =>
        Assert.Equal(wanted, HubUri.Parse(uri, null).Wants(file));

    [Fact]
    public void Addresses_on_the_hub_are_escaped_and_pinned_to_a_commit()
    {
        var place = HubUri.Parse("hf://datasets/org/name@refs%2Fpr%2F1", null);
        var hub = new Uri("https://hub.example/base/");
        Assert.Equal("https://hub.example/base/api/datasets/org/name/revision/refs%2Fpr%2F1?blobs=true", place.ApiUri(hub).AbsoluteUri);
        Assert.Equal("https://hub.example/base/datasets/org/name/resolve/abc/a%20b/%23c.jsonl", place.FileUri(hub, "abc", "a b/#c.jsonl").AbsoluteUri);
        Assert.Equal("c.jsonl", (place with { Path = "a/c.jsonl" }).LocalName("a/c.jsonl"));
        Assert.Equal("b/c.jsonl", (place with { Path = "a" }).LocalName("a/b/c.jsonl"));
    }

    [Theory]
    [InlineData("https://host/model.tar", "https://host/model.tar")]
    [InlineData("https://host/model.tar?X-Amz-Signature=secret?", "https://host/model.tar")]
    public void Logs_show_a_uri_without_its_query(string uri, string shown) => Assert.Equal(shown, StorageUri.WithoutQuery(uri));

    [Theory]
    [InlineData("a/b", "/root/a/b")]
    [InlineData("./a//b/", "/root/a/b")]
    [InlineData("..a", "/root/..a")]
    public void A_name_stays_below_its_folder(string name, string path) => Assert.Equal(path, SafePath.Below("/root", name));

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("/a")]
    [InlineData("a/../../b")]
    [InlineData("..")]
    [InlineData("a\\..\\b")]
    [InlineData("a\nb")]
    [InlineData("a\0b")]
    public void A_name_that_would_leave_it_is_refused(string name) =>
        Assert.Contains("must stay inside", Assert.Throws<DownloadException>(() => SafePath.Below("/root", name)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_list_of_checksums_is_read_as_sha256sum_writes_it()
    {
        string hash = new('a', 64);
        var files = HttpSource.ParseList($"{hash}  ./config.json\n{hash} *sub/my model.safetensors\r\n{hash}  SHA256SUMS\n");
        Assert.Equal(["config.json", "sub/my model.safetensors"], files.Select(file => file.Name));
        Assert.All(files, file => Assert.Equal("sha256:" + hash, file.Digest.ToString()));
        foreach (string bad in (string[])["<html>", hash, hash[1..] + "  a", $"{hash} config.json"])
            Assert.Contains("a line that sha256sum does not write", Assert.Throws<DownloadException>(() => HttpSource.ParseList(bad)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1.0 KiB")]
    [InlineData(1_288_490_188, "1.2 GiB")]
    [InlineData(long.MaxValue, "8388608.0 TiB")]
    public void Sizes_are_said_in_units_of_1024(long bytes, string text) => Assert.Equal(text, ByteText.Of(bytes));

    [Theory]
    [InlineData("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-3", null)]
    [InlineData("AAAA", null)]
    [InlineData(null, null)]
    public void Only_a_checksum_of_a_whole_object_is_taken_from_S3(string? base64, string? digest) => Assert.Equal(digest, S3Source.DigestOf(base64)?.ToString());

    [Theory]
    [InlineData(401, false)]
    [InlineData(403, false)]
    [InlineData(404, false)]
    [InlineData(408, true)]
    [InlineData(429, true)]
    [InlineData(500, true)]
    [InlineData(503, true)]
    [InlineData(416, false)]
    public void What_may_pass_by_itself_is_tried_again(int status, bool retryable)
    {
        var (message, again) = Refusal.Of("hub.example/x", (System.Net.HttpStatusCode)status, "why", "HF_TOKEN");
        Assert.Equal(retryable, again);
        Assert.StartsWith($"hub.example/x answered {status}: why", message, StringComparison.Ordinal);
        Assert.Equal(status is 401 or 403, message.Contains("set HF_TOKEN in the Secret", StringComparison.Ordinal));
    }
}
