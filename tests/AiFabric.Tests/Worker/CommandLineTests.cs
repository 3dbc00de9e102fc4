using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Storage;
using Xunit;

namespace AiFabric.Tests.Worker;

public sealed class CommandLineTests
{
    private static async Task<(int Code, string Error)> RunAsync(string arguments, params (string Name, string Value)[] environment)
    {
        var errors = new StringWriter();
        int code = await WorkerCommand.RunAsync(
            arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), name => environment.FirstOrDefault(e => e.Name == name).Value, errors);
        return (code, errors.ToString());
    }

    [Theory]
    [InlineData("", "command")]
    [InlineData("serve", "--model is missing: give it, or set AIFABRIC_MODEL")]
    [InlineData("serve --model file:///m", "--served-name is missing")]
    [InlineData("serve --model file:///m --served-name m --port 70000", "--port is '70000'; it must be an integer from 0 to 65535")]
    [InlineData("serve --model file:///m --served-name m --port x", "--port is 'x'")]
    [InlineData("serve --model file:///m --served-name m --port 9 --control-port 9", "must differ")]
    [InlineData("serve --model file:///m --served-name a:b", "--served-name is 'a:b'")]
    [InlineData("serve --model file:///m --served-name m --dtype int4", "float32, bfloat16")]
    [InlineData("serve --model file:///m --served-name m --quantization q3", "None, Q8")]
    [InlineData("serve --model file:///m --served-name m --kv-cache-dtype fp8", "--kv-cache-dtype is 'fp8'; it must be one of: auto, float32, bfloat16")]
    [InlineData("serve --model file:///m --served-name m --policy Best", "InferenceFirst, WeightedFair")]
    [InlineData("serve --model file:///m --served-name m --speculative-method Medusa", "None, PromptLookup")]
    [InlineData("serve --model file:///m --served-name m --speculative-method PromptLookup --speculative-tokens 0", "--speculative-tokens is '0'; it must be an integer from 1 to 32")]
    [InlineData("serve --model file:///m --served-name m --speculative-method PromptLookup --prompt-lookup-min 5", "--prompt-lookup-min is 5 and --prompt-lookup-max 4")]
    [InlineData("serve --model file:///m --served-name m --speculative-tokens 3", "--speculative-method is None")]
    [InlineData("serve --model file:///m --served-name m --speculative-method None --prompt-lookup-max 3", "leave --prompt-lookup-max out")]
    [InlineData("serve --model file:///m --served-name m --tpot-ms -5", "--tpot-ms is '-5'")]
    [InlineData("serve --model file:///m --served-name m --host nowhere.example", "--host is 'nowhere.example'")]
    [InlineData("serve --model file:///m --served-name m --control-token-file /no/such/token", "/no/such/token")]
    [InlineData("serve --model file:///m --served-name m --speed 9", "--speed")]
    public async Task Bad_usage_is_one_line_and_exit_code_2(string arguments, string cause)
    {
        var (code, error) = await RunAsync(arguments);
        Assert.Equal(2, code);
        Assert.Contains(cause, error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(c => c == '\n'));
        Assert.StartsWith("aifabric-worker: ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_come_from_the_environment_too()
    {
        var (code, error) = await RunAsync("serve", ("AIFABRIC_MODEL", "file:///m"), ("AIFABRIC_SERVED_NAME", "m"), ("AIFABRIC_KV_BLOCKS", "1"));
        Assert.Equal(2, code);
        Assert.Contains("--kv-blocks is '1'", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("file:///models/demo", "/models/demo")]
    [InlineData("file://localhost/models/demo", "/models/demo")]
    [InlineData("file:///models/a%20b/../c", "/models/c")]
    public void File_uris_become_paths(string uri, string path) => Assert.Equal(path, StorageUri.ToPath(uri));

    [Theory]
    [InlineData("s3://bucket/key", "supported: file")]
    [InlineData("hf://org/model", "supported: file")]
    [InlineData("/models/demo", "write file:///path")]
    [InlineData("models", "not a URI")]
    [InlineData("file://models/demo", "three slashes")]
    public void Other_uris_are_refused_with_what_is_supported(string uri, string cause) =>
        Assert.Contains(cause, Assert.Throws<StorageException>(() => StorageUri.ToPath(uri)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_path_and_its_uri_are_the_same_place() => Assert.Equal("/a b/ä", StorageUri.ToPath(StorageUri.FromPath("/a b/ä")));
}
