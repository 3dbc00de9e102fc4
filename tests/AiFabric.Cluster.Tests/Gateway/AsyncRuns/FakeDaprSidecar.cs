using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace AiFabric.Cluster.Tests.Gateway.AsyncRuns;

/// <summary>
/// A fake of Dapr's sidecar: a gRPC server on loopback that speaks the protocol of Dapr.Protos. Its one state component holds documents in memory, with ETags,
/// first-write concurrency, expiry and Dapr's bound of a message; its one pub/sub component notes what was published.
/// </summary>
public sealed class FakeDaprSidecar : IAsyncDisposable
{
    public const string StateStore = "fake-state";
    public const string PubSub = "fake-pubsub";

    private const int MaxMessageBytes = 4 << 20;

    private readonly WebApplication _app;

    private FakeDaprSidecar(Components state)
    {
        State = state;
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = MaxMessageBytes);
        builder.Services.AddSingleton(this);
        _app = builder.Build();
        _app.MapGrpcService<DaprService>();
    }

    public Components State { get; }

    public Uri Address => new(_app.Urls.First());

    /// <summary>Called before each call is answered, with its name and its key or topic: it may wait, or throw an <see cref="RpcException"/>.</summary>
    public Func<string, string, Task> Before { get; set; } = (_, _) => Task.CompletedTask;

    public static Task<FakeDaprSidecar> StartAsync(TimeProvider? time = null) => StartAsync(new Components(time ?? TimeProvider.System));

    /// <summary>Starts a sidecar of another replica, before the same components.</summary>
    public static async Task<FakeDaprSidecar> StartAsync(Components state)
    {
        var sidecar = new FakeDaprSidecar(state);
        await sidecar._app.StartAsync();
        return sidecar;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
    }

    /// <summary>What is behind the sidecar.</summary>
    public sealed class Components(TimeProvider time)
    {
        private readonly Dictionary<string, (byte[] Value, string ETag, DateTimeOffset? Expires)> _documents = [];
        private readonly Lock _lock = new();
        private int _etags;

        /// <summary>Events in the order in which they came.</summary>
        public ConcurrentQueue<JsonElement> Published { get; } = [];

        public IReadOnlyList<string> Keys
        {
            get
            {
                lock (_lock)
                    return [.. _documents.Keys];
            }
        }

        public (byte[] Value, string ETag)? Read(string key)
        {
            lock (_lock)
                return _documents.TryGetValue(key, out (byte[] Value, string ETag, DateTimeOffset? Expires) found) && !(found.Expires <= time.GetUtcNow()) ? (found.Value, found.ETag) : null;
        }

        /// <summary>Writes over a document behind the caller's back: what it has read of it is stale then.</summary>
        public void Touch(string key)
        {
            lock (_lock)
            {
                if (_documents.TryGetValue(key, out (byte[] Value, string ETag, DateTimeOffset? Expires) found))
                    _documents[key] = found with { ETag = NextETag() };
            }
        }

        public void Write(StateItem item)
        {
            lock (_lock)
            {
                string? now = Read(item.Key)?.ETag;
                bool firstWrite = item.Options?.Concurrency == StateOptions.Types.StateConcurrency.ConcurrencyFirstWrite;
                bool fits = item.Etag is { Value.Length: > 0 } etag ? etag.Value == now : now is null || !firstWrite;
                if (!fits)
                    throw new RpcException(new Status(StatusCode.Aborted, $"failed saving state in state store {StateStore}: possible etag mismatch"));
                DateTimeOffset? expires = item.Metadata.TryGetValue("ttlInSeconds", out string? ttl)
                    ? time.GetUtcNow().AddSeconds(long.Parse(ttl, CultureInfo.InvariantCulture))
                    : null;
                _documents[item.Key] = (item.Value.ToByteArray(), NextETag(), expires);
            }
        }

        public void Delete(string key)
        {
            lock (_lock)
                _documents.Remove(key);
        }

        private string NextETag() => (++_etags).ToString(CultureInfo.InvariantCulture);
    }
}

/// <summary>
/// The calls of <c>dapr.proto.runtime.v1.Dapr</c> that are answered. Dapr.Protos has the messages and the client; the server's side is bound here, to methods that must be virtual.
/// </summary>
[BindServiceMethod(typeof(DaprService), nameof(BindService))]
public class DaprService(FakeDaprSidecar sidecar)
{
    private const string Name = "dapr.proto.runtime.v1.Dapr";

    public static void BindService(ServiceBinderBase binder, DaprService? service)
    {
        binder.AddMethod(Unary("GetState", GetStateRequest.Parser, GetStateResponse.Parser), service is null ? null : service.GetState);
        binder.AddMethod(Unary("SaveState", SaveStateRequest.Parser, Empty.Parser), service is null ? null : service.SaveState);
        binder.AddMethod(Unary("DeleteState", DeleteStateRequest.Parser, Empty.Parser), service is null ? null : service.DeleteState);
        binder.AddMethod(Unary("PublishEvent", PublishEventRequest.Parser, Empty.Parser), service is null ? null : service.PublishEvent);
    }

    public virtual async Task<GetStateResponse> GetState(GetStateRequest request, ServerCallContext context)
    {
        Check(request.StoreName, FakeDaprSidecar.StateStore);
        await sidecar.Before("get", request.Key).WaitAsync(context.CancellationToken);
        return sidecar.State.Read(request.Key) is { } found ? new GetStateResponse { Data = ByteString.CopyFrom(found.Value), Etag = found.ETag } : new GetStateResponse();
    }

    public virtual async Task<Empty> SaveState(SaveStateRequest request, ServerCallContext context)
    {
        Check(request.StoreName, FakeDaprSidecar.StateStore);
        foreach (StateItem item in request.States)
        {
            await sidecar.Before("save", item.Key).WaitAsync(context.CancellationToken);
            sidecar.State.Write(item);
        }
        return new Empty();
    }

    public virtual async Task<Empty> DeleteState(DeleteStateRequest request, ServerCallContext context)
    {
        Check(request.StoreName, FakeDaprSidecar.StateStore);
        await sidecar.Before("delete", request.Key).WaitAsync(context.CancellationToken);
        sidecar.State.Delete(request.Key);
        return new Empty();
    }

    public virtual async Task<Empty> PublishEvent(PublishEventRequest request, ServerCallContext context)
    {
        Check(request.PubsubName, FakeDaprSidecar.PubSub);
        await sidecar.Before("publish", request.Topic).WaitAsync(context.CancellationToken);
        if (request.DataContentType != "application/cloudevents+json")
            throw new RpcException(new Status(StatusCode.InvalidArgument, "not a CloudEvent"));
        sidecar.State.Published.Enqueue(JsonDocument.Parse(request.Data.Memory).RootElement);
        return new Empty();
    }

    private static void Check(string asked, string component)
    {
        if (asked != component)
            throw new RpcException(new Status(StatusCode.FailedPrecondition, $"component {asked} is not configured"));
    }

    private static Method<TAsk, TAnswer> Unary<TAsk, TAnswer>(string name, MessageParser<TAsk> ask, MessageParser<TAnswer> answer)
        where TAsk : class, IMessage<TAsk>
        where TAnswer : class, IMessage<TAnswer> => new(MethodType.Unary, Name, name, Marshal(ask), Marshal(answer));

    private static Marshaller<T> Marshal<T>(MessageParser<T> parser)
        where T : class, IMessage<T> => Marshallers.Create(message => message.ToByteArray(), parser.ParseFrom);
}
