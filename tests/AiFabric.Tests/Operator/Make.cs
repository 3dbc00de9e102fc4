using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Models;
using AiFabric.Operator.Storage;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using AiFabric.Protocol.Gateway;
using k8s.Models;

namespace AiFabric.Tests.Operator;

/// <summary>Objects as they are in most tests; a test changes only what it is about.</summary>
internal static class Make
{
    public const string Space = "team";

    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly FinetuneTimes Times = new(
        TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(10));

    public static StorageUri Data { get; } = Uri("file:///data");

    public static PodSettings Settings { get; } = new("worker:1", [], new Dictionary<string, string>(), Data);

    public static StorageUri Uri(string text) =>
        StorageUri.TryParse(text, out StorageUri? uri, out string? error) ? uri : throw new ArgumentException(error);

    public static CoServedModel Model(Action<CoServedModelSpec>? change = null, string name = "demo")
    {
        var model = new CoServedModel
        {
            Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = Space, Uid = "model-uid", Generation = 3 },
            Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" } },
        };
        change?.Invoke(model.Spec);
        return model;
    }

    public static Adapter Adapter(Action<Adapter>? change = null, string name = "french")
    {
        var adapter = new Adapter
        {
            Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = Space, Uid = "adapter-uid", Generation = 1 },
            Spec = new AdapterSpec
            {
                ModelRef = new LocalReference { Name = "demo" },
                Source = new AdapterSource { Uri = "file:///adapters/french" },
                Digest = Digest('a'),
            },
        };
        change?.Invoke(adapter);
        return adapter;
    }

    public static Pipeline Pipeline(params StageSpec[] stages) => new()
    {
        Metadata = new V1ObjectMeta { Name = "facts", NamespaceProperty = Space, Uid = "pipeline-uid", Generation = 5 },
        Spec = new PipelineSpec { Stages = [.. stages], Output = new PipelineOutput { From = stages[^1].Name } },
    };

    public static FinetuneJob Job(Action<FinetuneJobSpec>? change = null, string name = "job")
    {
        var job = new FinetuneJob
        {
            Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = Space, Uid = "job-uid", Generation = 1 },
            Spec = new FinetuneJobSpec
            {
                ModelRef = new LocalReference { Name = "demo" },
                Dataset = new DatasetSpec { Uri = "file:///data/train.jsonl" },
                Output = new OutputSpec { AdapterName = "french" },
            },
        };
        change?.Invoke(job.Spec);
        return job;
    }

    public static WorkerPod Pod(string name = "demo-0", string revision = "r1", bool ready = true, int restarts = 0) => new()
    {
        Namespace = Space,
        Name = name,
        Uid = name + "-uid",
        Model = "demo",
        Revision = revision,
        Ip = "127.0.0.1",
        Ready = ready,
        PodReady = ready,
        Restarts = restarts,
        Spec = new V1PodSpec { Containers = [new V1Container { Name = "worker" }] },
    };

    public static GatewayView Gateway(IEnumerable<WorkerPod> pods, params string[] adapters) =>
        new([new GatewayReplica("gateway-0", Report(pods, adapters))]);

    public static RouteReport Report(IEnumerable<WorkerPod> pods, params string[] adapters) => new()
    {
        Routes =
        [
            .. pods.Select(pod => new RouteEntry
            {
                Namespace = pod.Namespace,
                Pod = pod.Name,
                PodUid = pod.Uid,
                Model = pod.Model,
                ServedName = pod.Model,
                Revision = pod.Revision,
                Adapters = adapters,
            }),
        ],
    };

    public static LoadReport Load(params TrainingStatus[] sessions) =>
        new() { Model = "demo", ModelDigest = Digest('b'), Training = sessions };

    public static TrainingStatus Session(TrainingState state, int step = 5, string uid = "job-uid") => new()
    {
        Uid = uid,
        State = state,
        Step = step,
        TotalSteps = 20,
        Tokens = 1000,
        Loss = 1.23456,
        TokensPerSecond = 321.98,
        EstimatedRemainingSeconds = 12.2,
        AdapterUri = state == TrainingState.Succeeded ? "file:///data/team/job/job-uid/adapter-job-uid" : null,
        AdapterDigest = state == TrainingState.Succeeded ? Digest('c') : null,
    };

    public static TrainingStatus Failed(bool retryable, string reason = "InternalError", string message = "boom") =>
        Session(TrainingState.Failed) with { Error = new TrainingError { Reason = reason, Message = message, Retryable = retryable } };

    public static DemandReport Demand(int requests, int held, double average, double? idle) => new()
    {
        Models = [new ModelDemand { Namespace = Space, Model = "demo", Requests = requests, Held = held, Average = average, IdleSeconds = idle }],
    };

    public static string Digest(char digit) => "sha256:" + new string(digit, 64);

    public static V1Condition Condition(IEnumerable<V1Condition>? conditions, string type) =>
        (conditions ?? []).Single(condition => condition.Type == type);

    public static Dictionary<string, string> WorkerLabels(string model, string revision) =>
        new() { [Labels.Model] = model, [Labels.Revision] = revision };
}
