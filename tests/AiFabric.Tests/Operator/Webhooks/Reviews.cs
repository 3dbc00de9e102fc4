using System.Text.Json.Nodes;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Webhooks;
using k8s;
using k8s.Models;

namespace AiFabric.Tests.Operator.Webhooks;

/// <summary>Requests as the API server sends them.</summary>
internal static class Reviews
{
    public static Surroundings Around(
        IReadOnlyList<CoServedModel>? models = null, IReadOnlyList<Adapter>? adapters = null, IReadOnlyList<FinetuneJob>? jobs = null) =>
        new(models ?? [Make.Model()], adapters ?? [], jobs ?? []);

    public static Verdict Create<T>(T entity, Surroundings? around = null)
        where T : class, IKubernetesObject<V1ObjectMeta> => Decide<T>(Json(entity), null, around ?? Around());

    public static Verdict Update<T>(T old, T now, Surroundings? around = null)
        where T : class, IKubernetesObject<V1ObjectMeta> => Decide<T>(Json(now), Json(old), around ?? Around());

    public static Verdict Decide<T>(JsonObject now, JsonObject? old, Surroundings? around) => Kinds.Reviews[Plural<T>()].Decide(
        new AdmissionRequest
        {
            Uid = "1",
            Operation = old is null ? AdmissionRequest.Create : AdmissionRequest.Update,
            Object = now,
            OldObject = old,
        },
        around);

    public static JsonObject Json(object entity) => (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(entity))!;

    public static string[] Texts(IEnumerable<Violation> violations) => [.. violations.Select(violation => violation.ToString())];

    private static string Plural<T>() => typeof(T).Name switch
    {
        nameof(CoServedModel) => Kinds.CoServedModels,
        nameof(Adapter) => Kinds.Adapters,
        _ => Kinds.FinetuneJobs,
    };
}
