namespace AiFabric.Crds.Common;

/// <summary>The API group of every kind, and the names by which objects refer to each other.</summary>
public static class Group
{
    public const string Name = "aifabric.io";
    public const string Version = "v1alpha1";
    public const string ApiVersion = Name + "/" + Version;
    public const string Category = "aifabric";
}

/// <summary>Labels on objects the operator owns; the gateway finds pods by them.</summary>
public static class Labels
{
    /// <summary>Name of the CoServedModel that a pod serves.</summary>
    public const string Model = "aifabric.io/model";

    /// <summary>Hash of the pod template and the weights' revision.</summary>
    public const string Revision = "aifabric.io/revision";

    /// <summary>Name of the FinetuneJob that made an Adapter.</summary>
    public const string FinetuneJob = "aifabric.io/finetune-job";

    /// <summary>Name of the Pipeline that a function's pod belongs to.</summary>
    public const string Pipeline = "aifabric.io/pipeline";

    /// <summary>Name of the stage that it runs.</summary>
    public const string Stage = "aifabric.io/stage";

    public const string AppName = "app.kubernetes.io/name";
    public const string AppInstance = "app.kubernetes.io/instance";
    public const string AppComponent = "app.kubernetes.io/component";
    public const string AppManagedBy = "app.kubernetes.io/managed-by";
}

/// <summary>Annotations on pods, read by the gateway.</summary>
public static class Annotations
{
    /// <summary>The name under which clients ask for the model (OpenAI's <c>model</c> field).</summary>
    public const string ServedName = "aifabric.io/served-name";
}

/// <summary>Ports of a worker pod, by name.</summary>
public static class Ports
{
    public const string Serving = "http";
    public const string Control = "control";
    public const int ServingNumber = 8000;
    public const int ControlNumber = 8001;

    /// <summary>Where a function stage listens unless its spec says otherwise.</summary>
    public const int FunctionNumber = 8080;
}
