namespace AiFabric.Protocol;

/// <summary>Headers that the gateway sets on requests to workers.</summary>
public static class WorkerHeaders
{
    /// <summary>
    /// Whose request it is: 1 to 64 letters, digits, '-', '_' and '.'. Tenants share no cached prompts and get equal shares of a busy engine.
    /// Set by the gateway alone, which drops what clients send under this name.
    /// </summary>
    public const string Tenant = "AiFabric-Tenant";
}
