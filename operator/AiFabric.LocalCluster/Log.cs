namespace AiFabric.LocalCluster;

/// <summary>All log messages of the local cluster.</summary>
internal static partial class Log
{
    [LoggerMessage(3001, LogLevel.Information, "API server listens on {Server}; kubeconfig: {Kubeconfig}")]
    public static partial void Serving(ILogger log, Uri server, string kubeconfig);

    [LoggerMessage(3002, LogLevel.Error, "{Method} {Path} failed")]
    public static partial void RequestFailed(ILogger log, Exception exception, string method, string path);

    [LoggerMessage(3003, LogLevel.Information, "Namespace {Namespace} is empty and gone")]
    public static partial void NamespaceGone(ILogger log, string @namespace);

    [LoggerMessage(3004, LogLevel.Error, "Finalizing namespaces failed; trying again")]
    public static partial void FinalizingFailed(ILogger log, Exception exception);
}
