using AiFabric.Gateway.Finetuning.Files;
using AiFabric.Gateway.Finetuning.Orders;

namespace AiFabric.Tests.Gateway.Finetuning;

/// <summary>An order as a client's request makes it.</summary>
internal static class SampleOrder
{
    public static Order Value { get; } = new()
    {
        Id = "ftjob-0123456789abcdef",
        Tenant = "me",
        CreatedAt = 1_000,
        AskedModel = "demo",
        Namespace = "team",
        Model = "demo",
        AdapterName = "french",
        TrainingFile = "file-1",
        DatasetUri = "file:///d",
        Format = LineFormat.Chat,
    };
}
