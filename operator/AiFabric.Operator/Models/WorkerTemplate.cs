using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Validation;
using k8s;
using k8s.Models;
using YamlDotNet.Core;

namespace AiFabric.Operator.Models;

/// <summary>The administrator's part of every worker pod, read from a file of YAML: a partial pod template (<c>metadata</c>, <c>spec</c>).</summary>
internal static class WorkerTemplate
{
    /// <summary>Reads it; what a model's own template may not set, this one may not either.</summary>
    /// <returns>The template and null, or null and what is wrong.</returns>
    public static (V1PodTemplateSpec? Template, string? Error) Read(string path)
    {
        V1PodTemplateSpec? template;
        try
        {
            template = KubernetesYaml.Deserialize<V1PodTemplateSpec?>(File.ReadAllText(path), strict: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or YamlException)
        {
            return (null, $"'{path}' cannot be read as a pod template: {Innermost(e).Message}");
        }
        if (template is null)
            return (null, $"'{path}' is empty: write metadata and spec of a pod template");

        var model = new CoServedModel
        {
            Metadata = new V1ObjectMeta { Name = "any" },
            Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///any" }, Template = template },
        };
        string[] wrong = [.. ModelRules.All.Check(model).Select(violation => violation.ToString().Replace("spec.template.", null, StringComparison.Ordinal))];
        return wrong.Length == 0 ? (template, null) : (null, $"'{path}': {string.Join("; ", wrong)}");
    }

    /// <summary>YamlDotNet wraps "no such property" in a message that only tells the line.</summary>
    private static Exception Innermost(Exception e) => e.InnerException is null ? e : Innermost(e.InnerException);
}
