using System.Net;
using System.Text;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Tests.Kube;

public sealed class EventRecorderTests : IDisposable
{
    private readonly FakeApiServer _server = new();
    private readonly ObservedTime _time = new();
    private readonly EventRecorder _recorder;

    private readonly V1Pod _pod = new()
    {
        ApiVersion = "v1",
        Kind = "Pod",
        Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "ns", Uid = "u1" },
    };

    public EventRecorderTests() => _recorder = new(_server.Client(), "tester", _time, NullLogger<EventRecorder>.Instance);

    public void Dispose() => _server.Dispose();

    [Fact]
    public async Task Event_names_the_object_and_a_repeat_raises_its_count()
    {
        await _recorder.RecordAsync(_pod, EventType.Warning, "Failed", "it broke", default);
        _time.Advance(TimeSpan.FromSeconds(5));
        await _recorder.RecordAsync(_pod, EventType.Warning, "Failed", "it broke", default);
        await _recorder.RecordAsync(_pod, EventType.Normal, "Works", "it works", default);

        Assert.Equal(["POST", "PATCH", "POST"], _server.Seen().Select(r => r.Method));
        string first = _server.Seen()[0].Json["metadata"]!["name"]!.GetValue<string>();
        Corev1Event written = _server.Find<Corev1Event>(first, "ns")!;
        Assert.Equal((2, "Warning", "Failed", "it broke"), (written.Count, written.Type, written.Reason, written.Message));
        Assert.Equal(("Pod", "p", "u1", "tester"), (written.InvolvedObject.Kind, written.InvolvedObject.Name, written.InvolvedObject.Uid, written.Source.Component));
        Assert.Equal(TimeSpan.FromSeconds(5), written.LastTimestamp - written.FirstTimestamp);
    }

    [Fact]
    public async Task Repeat_of_an_event_that_expired_is_written_anew()
    {
        await _recorder.RecordAsync(_pod, EventType.Normal, "Works", "it works", default);
        _server.Remove<Corev1Event>(_server.Seen()[0].Json["metadata"]!["name"]!.GetValue<string>(), "ns");
        await _recorder.RecordAsync(_pod, EventType.Normal, "Works", "it works", default);
        Assert.Equal(["POST", "PATCH", "POST"], _server.Seen().Select(r => r.Method));
    }

    [Fact]
    public async Task Server_that_refuses_events_stops_nobody()
    {
        _server.FailNext(_ => true, HttpStatusCode.Forbidden, "Forbidden");
        await _recorder.RecordAsync(_pod, EventType.Normal, "Works", "it works", default);
    }

    [Fact]
    public async Task Long_message_is_cut_to_the_bytes_the_API_takes_and_between_characters()
    {
        await _recorder.RecordAsync(_pod, EventType.Normal, "Long", new string('é', 2000), default);
        string message = _server.Seen()[0].Json["message"]!.GetValue<string>();
        Assert.InRange(Encoding.UTF8.GetByteCount(message), 1000, 1024);
        Assert.EndsWith("é…", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Event_about_a_cluster_scoped_object_lives_in_the_default_namespace()
    {
        _pod.Metadata.NamespaceProperty = null;
        await _recorder.RecordAsync(_pod, EventType.Normal, "Works", "it works", default);
        Assert.Equal("default", _server.Seen()[0].Namespace);
    }
}
