using System.Collections.Concurrent;
using System.Net;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>What a collector was told of a span. Ids in hexadecimal digits, the parent's empty for a root.</summary>
public sealed record CollectedSpan(string Service, string Name, string Trace, string Id, string Parent);

/// <summary>A fake of an OpenTelemetry collector: takes OTLP over HTTP as protobuf (<c>opentelemetry/proto/collector/trace/v1</c>) and keeps what it is told.</summary>
public sealed class FakeCollector : IAsyncDisposable
{
    private readonly ConcurrentQueue<CollectedSpan> _spans = [];
    private readonly WebApplication _app;

    private FakeCollector()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _app = builder.Build();
        _app.MapPost("/v1/traces", async (HttpContext context) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            Read(body.ToArray());
            context.Response.ContentType = "application/x-protobuf"; // An empty message: all was taken.
        });
    }

    public string Url => _app.Urls.First();

    public IReadOnlyList<CollectedSpan> Spans => [.. _spans];

    public static async Task<FakeCollector> StartAsync()
    {
        var collector = new FakeCollector();
        await collector._app.StartAsync();
        return collector;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    // Numbers of fields are those of trace.proto, resource.proto and common.proto.
    private void Read(byte[] request)
    {
        foreach (ByteString ofResource in Fields(ByteString.CopyFrom(request), 1))
        {
            ByteString name = Fields(Fields(ofResource, 1).Single(), 1).Single(attribute => Text(attribute, 1) == "service.name");
            string service = Text(Fields(name, 2).Single(), 1);
            foreach (ByteString span in Fields(ofResource, 2).SelectMany(scope => Fields(scope, 2)))
                _spans.Enqueue(new CollectedSpan(service, Text(span, 5), Hex(span, 1), Hex(span, 2), Hex(span, 4)));
        }
    }

    private static string Text(ByteString message, int field) => Fields(message, field).Single().ToStringUtf8();

    private static string Hex(ByteString message, int field) => Convert.ToHexStringLower([.. Fields(message, field).FirstOrDefault(ByteString.Empty)]);

    private static IEnumerable<ByteString> Fields(ByteString message, int field)
    {
        CodedInputStream input = message.CreateCodedInput();
        uint tag;
        while ((tag = input.ReadTag()) != 0)
        {
            if (tag == WireFormat.MakeTag(field, WireFormat.WireType.LengthDelimited))
                yield return input.ReadBytes();
            else
                input.SkipLastField();
        }
    }
}
