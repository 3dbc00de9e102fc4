using System.Reflection;
using System.Text;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Where objects of a kind live in the API, read from the type's <see cref="KubernetesEntityAttribute"/>.</summary>
/// <param name="Group">The API group; empty for the core group.</param>
/// <param name="Version">For example <c>v1</c>.</param>
/// <param name="Kind">For example <c>Pod</c>.</param>
/// <param name="Plural">For example <c>pods</c>.</param>
public sealed record ResourceType(string Group, string Version, string Kind, string Plural)
{
    /// <summary><c>group/version</c>, or the bare version of the core group.</summary>
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>The resource type of <typeparamref name="T"/>.</summary>
    /// <exception cref="InvalidOperationException">The type lacks the attribute or part of it.</exception>
    public static ResourceType Of<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> => Cached<T>.Value ??= Read(typeof(T));

    /// <summary>The path of the collection, of one object in it, or of a subresource.</summary>
    public string Path(string? @namespace, string? name = null, string? subresource = null)
    {
        var path = new StringBuilder(Group.Length == 0 ? "/api/" : $"/apis/{Group}/").Append(Version);
        if (!string.IsNullOrEmpty(@namespace))
            path.Append("/namespaces/").Append(Uri.EscapeDataString(@namespace));
        path.Append('/').Append(Plural);
        if (name is not null)
            path.Append('/').Append(Uri.EscapeDataString(name));
        if (subresource is not null)
            path.Append('/').Append(subresource);
        return path.ToString();
    }

    private static ResourceType Read(Type type)
    {
        KubernetesEntityAttribute? attribute = type.GetCustomAttribute<KubernetesEntityAttribute>();
        if (attribute is null || string.IsNullOrEmpty(attribute.Kind)
            || string.IsNullOrEmpty(attribute.ApiVersion) || string.IsNullOrEmpty(attribute.PluralName))
        {
            throw new InvalidOperationException(
                $"{type} cannot be read or written: give it [KubernetesEntity(Group, ApiVersion, Kind, PluralName)] with all but Group non-empty.");
        }
        return new(attribute.Group ?? string.Empty, attribute.ApiVersion, attribute.Kind, attribute.PluralName);
    }

    private static class Cached<T>
    {
        // Not set by an initializer: its exception would hide what is wrong with the type.
        public static ResourceType? Value;
    }
}
