using System.ComponentModel.DataAnnotations;
using k8s.Models;

namespace AiFabric.Operator.Storage;

/// <summary>Where workers keep what they download (<c>Operator__ModelCache__…</c>). Neither path nor claim: an emptyDir, which goes with its pod.</summary>
internal sealed class ModelCacheOptions
{
    /// <summary>Folder of every node, shared by its pods; must be writable by the worker's user. The restricted Pod Security level forbids hostPath.</summary>
    public string? HostPath { get; set; }

    /// <summary>PersistentVolumeClaim in the model's namespace, ReadWriteMany when its pods run on several nodes.</summary>
    public string? ClaimName { get; set; }

    /// <summary>What the cache may take, as a Kubernetes quantity (<c>200Gi</c>); what was not used for the longest time goes. Null: all of the disk.</summary>
    public string? SizeLimit { get; set; }

    /// <summary><see cref="SizeLimit"/> in bytes.</summary>
    public long? GetSizeLimitBytes() => SizeLimit is null ? null : (long)new ResourceQuantity(SizeLimit).ToDecimal();

    public IEnumerable<ValidationResult> Validate()
    {
        const string Section = "Operator:ModelCache";
        if (HostPath is not null && ClaimName is not null)
            yield return new ValidationResult($"{Section}: set HostPath or ClaimName, not both", [nameof(HostPath)]);
        if (HostPath is not null && !HostPath.StartsWith('/'))
            yield return new ValidationResult($"{Section}:HostPath '{HostPath}' must be an absolute path", [nameof(HostPath)]);
        if (ClaimName is not null && !Names.IsSubdomain(ClaimName))
            yield return new ValidationResult($"{Section}:ClaimName '{ClaimName}' is no name of a PersistentVolumeClaim", [nameof(ClaimName)]);
        if (SizeLimit is not null && BytesOf(SizeLimit) is not > 0)
            yield return new ValidationResult($"{Section}:SizeLimit '{SizeLimit}' must be a quantity such as 200Gi", [nameof(SizeLimit)]);
    }

    private static long? BytesOf(string quantity)
    {
        try
        {
            return (long)new ResourceQuantity(quantity).ToDecimal();
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
        {
            return null;
        }
    }
}
