namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>A volume that both nodes see, for both are this machine; on a cluster a file share takes its place.</summary>
internal static class DataVolume
{
    /// <summary>Name of the claim, in the namespace <c>default</c>.</summary>
    public const string Claim = "aifabric-data";

    /// <summary>Volume and claim, as manifests.</summary>
    /// <param name="folder">Folder of this machine; it is made writable for the workers' user.</param>
    public static string Yaml(string folder)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder, (UnixFileMode)0b111_111_111); // The workers' user writes to it.
        return $$"""
            apiVersion: v1
            kind: PersistentVolume
            metadata:
              name: {{Claim}}
            spec:
              capacity: {storage: 1Gi}
              accessModes: [ReadWriteMany]
              storageClassName: ""
              hostPath:
                path: {{folder}}
            ---
            apiVersion: v1
            kind: PersistentVolumeClaim
            metadata:
              name: {{Claim}}
              namespace: default
            spec:
              accessModes: [ReadWriteMany]
              storageClassName: ""
              volumeName: {{Claim}}
              resources:
                requests: {storage: 1Gi}
            """;
    }
}
