using System.Net;
using System.Net.Sockets;
using System.Text;
using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>A client that does not read, on a real connection.</summary>
public sealed class SlowReaderTests
{
    private const int Tokens = 4_000;

    [Fact]
    public async Task An_answer_that_nobody_reads_is_decoded_no_further_and_goes_on_when_it_is_read()
    {
        using var model = new TinyServedModel(positions: 8_192);
        await using RunningWorker worker = await model.ServeAsync(options => options with { KvBlocks = 2_048 });
        double before = await worker.MetricAsync("vllm:generation_tokens_total");
        using var slow = new TcpClient { ReceiveBufferSize = 16 << 10 };
        await slow.ConnectAsync(IPAddress.Loopback, worker.Host.ServingAddress.Port);
        NetworkStream stream = slow.GetStream();
        await stream.WriteAsync(Request());

        // The other one is served meanwhile, and when it is done the slow one would be too.
        List<string> other = await worker.StreamAsync("/v1/completions", new { model = "demo", prompt = "Hi", max_tokens = Tokens, ignore_eos = true, stream = true });
        Assert.Equal("[DONE]", other[^1]);
        double unread = await worker.MetricAsync("vllm:generation_tokens_total") - before - Tokens;
        TestContext.Current.TestOutputHelper?.WriteLine($"{unread} tokens were decoded for a client that read none");
        Assert.InRange(unread, Sequence.MostUnread, 1_500);

        string answer = await new StreamReader(stream).ReadToEndAsync();
        Assert.Contains("data: [DONE]", answer, StringComparison.Ordinal);
        Assert.Equal(Tokens, await worker.MetricAsync("vllm:generation_tokens_total") - before - Tokens);
    }

    private static byte[] Request()
    {
        string body = $$"""{"model":"demo","prompt":"Hi","max_tokens":{{Tokens}},"ignore_eos":true,"stream":true}""";
        return Encoding.ASCII.GetBytes($"POST /v1/completions HTTP/1.1\r\nHost: worker\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    }
}
