using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using k8s.Models;

namespace AiFabric.Operator.Objects;

/// <summary>Metadata of what belongs to a model: labels by the common scheme, and an owner that takes it along when it goes.</summary>
internal static class OwnedMetadata
{
    public const string AppName = "aifabric-worker";
    public const string ManagedBy = "aifabric-operator";

    public static V1ObjectMeta For(CoServedModel model, string name, string component) => new()
    {
        Name = name,
        NamespaceProperty = model.Metadata.NamespaceProperty,
        Labels = LabelsOf(model, component),
        OwnerReferences =
        [
            new V1OwnerReference
            {
                ApiVersion = Group.ApiVersion,
                Kind = "CoServedModel",
                Name = model.Metadata.Name,
                Uid = model.Metadata.Uid,
                Controller = true,
                BlockOwnerDeletion = true,
            },
        ],
    };

    /// <summary>Whether an object's metadata (null: there is no object) names this very model as its controller.</summary>
    public static bool IsOwned(CoServedModel model, V1ObjectMeta? live) =>
        live?.OwnerReferences?.Any(owner => owner.Controller == true && owner.Uid == model.Metadata.Uid) == true;

    public static Dictionary<string, string> LabelsOf(CoServedModel model, string component) => new()
    {
        [Labels.AppName] = AppName,
        [Labels.AppInstance] = model.Metadata.Name,
        [Labels.AppComponent] = component,
        [Labels.AppManagedBy] = ManagedBy,
        [Labels.Model] = model.Metadata.Name,
    };

    /// <summary>By these the Deployment and the Service find the pods; they must never change.</summary>
    public static Dictionary<string, string> SelectorOf(CoServedModel model) => new()
    {
        [Labels.AppName] = AppName,
        [Labels.AppInstance] = model.Metadata.Name,
        [Labels.Model] = model.Metadata.Name,
    };
}
