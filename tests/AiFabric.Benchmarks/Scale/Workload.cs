using System.Globalization;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Benchmarks.Scale;

/// <summary>The resources that a run creates: as many models with one replica each, and jobs spread over them.</summary>
internal static class Workload
{
    /// <summary>Creates everything, models and jobs alternating.</summary>
    public static Task CreateAsync(IKubernetesClient client, ScaleSize size, int parallelism, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, Math.Max(size.Models, size.Jobs)),
            new ParallelOptions { MaxDegreeOfParallelism = parallelism, CancellationToken = cancellationToken },
            async (i, token) =>
            {
                if (i < size.Models)
                    await client.CreateAsync(Model(i), token);
                if (i < size.Jobs)
                    await client.CreateAsync(Job(i, size), token);
            });

    private static string Name(string kind, int i) => string.Create(CultureInfo.InvariantCulture, $"{kind}-{i:0000}");

    private static CoServedModel Model(int i) => new()
    {
        Metadata = new V1ObjectMeta { Name = Name("model", i), NamespaceProperty = ScaleOptions.Space },
        Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" }, Replicas = 1 },
    };

    private static FinetuneJob Job(int i, ScaleSize size) => new()
    {
        Metadata = new V1ObjectMeta { Name = Name("job", i), NamespaceProperty = ScaleOptions.Space },
        Spec = new FinetuneJobSpec
        {
            ModelRef = new LocalReference { Name = Name("model", i % size.Models) },
            Dataset = new DatasetSpec { Uri = "file:///data/train.jsonl" },
            Output = new OutputSpec { AdapterName = Name("adapter", i) },
        },
    };
}
