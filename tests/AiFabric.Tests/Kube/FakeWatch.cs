using System.IO.Pipelines;
using System.Net;
using System.Text;
using Xunit;

namespace AiFabric.Tests.Kube;

/// <summary>One open watch of the fake server.</summary>
internal sealed class FakeWatch
{
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly string _collection;
    private readonly string? _namespace;

    public FakeWatch(string collection, string? @namespace)
    {
        (_collection, _namespace) = (collection, @namespace);
        Response = new HttpResponseMessage(HttpStatusCode.OK) { Content = new Body(_pipe.Reader.AsStream(), () => Ended = true) };
    }

    public HttpResponseMessage Response { get; }

    public bool Ended { get; private set; }

    public bool Covers(string collection, string frame) =>
        collection == _collection && (_namespace is null || frame.Contains($"\"namespace\":\"{_namespace}\"", StringComparison.Ordinal));

    public void Send(string frame)
    {
        if (Ended)
            return;
        Encoding.UTF8.GetBytes(frame + "\n", _pipe.Writer);
        // With no threshold the pipe takes everything at once: nothing to wait for.
        Assert.True(_pipe.Writer.FlushAsync().AsTask().IsCompletedSuccessfully);
    }

    public void End(Exception? error)
    {
        if (Ended)
            return;
        Ended = true;
        _pipe.Writer.Complete(error);
    }

    // The client hangs up by disposing the body.
    private sealed class Body(Stream stream, Action hungUp) : StreamContent(stream)
    {
        protected override void Dispose(bool disposing)
        {
            hungUp();
            base.Dispose(disposing);
        }
    }
}
