using System.Security.Cryptography;
using k8s;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers;

/// <summary>Makes a pod of a template.</summary>
internal static class PodFactory
{
    private const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";

    /// <summary>A pod controlled by <paramref name="owner"/>, named <paramref name="prefix"/> and five random characters.</summary>
    public static V1Pod From<T>(T owner, V1PodTemplateSpec template, string prefix)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        V1PodTemplateSpec copy = TypedApi.Parse<V1PodTemplateSpec>(TypedApi.ToJson(template));
        return new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = prefix + RandomNumberGenerator.GetString(Alphabet, 5),
                GenerateName = prefix,
                NamespaceProperty = owner.Metadata.NamespaceProperty,
                Labels = copy.Metadata?.Labels,
                Annotations = copy.Metadata?.Annotations,
                Finalizers = copy.Metadata?.Finalizers,
                OwnerReferences = [TypedApi.ControllerReference(owner)],
            },
            Spec = copy.Spec,
        };
    }
}
