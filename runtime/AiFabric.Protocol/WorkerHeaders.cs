namespace AiFabric.Protocol;

/// <summary>Headers that the gateway sets: on requests to workers, and one on answers to clients.</summary>
public static class WorkerHeaders
{
    /// <summary>
    /// Whose request it is: 1 to 64 letters, digits, '-', '_' and '.'. Tenants share no cached prompts and get equal shares of a busy engine.
    /// Set by the gateway alone, which drops what clients send under this name.
    /// </summary>
    public const string Tenant = "AiFabric-Tenant";

    /// <summary>
    /// How long the client's request that this call is a part of has been under way, in milliseconds: a call of a pipeline waits as if it had come when
    /// the client's request did. A duration and no time of day, for clocks differ. Set by the gateway alone, as the tenant is.
    /// </summary>
    public const string Age = "AiFabric-Age";

    /// <summary>
    /// Digests of the prompt's beginnings (<see cref="Gateway.PromptPieces"/>), by which the worker tells which of them its cache holds. Set by the
    /// gateway alone. A hint: where it is absent or means nothing, the request is answered all the same.
    /// </summary>
    public const string Prompt = "AiFabric-Prompt";

    /// <summary>
    /// <c>true</c>: the request is a copy, and nobody waits for its answer. The worker lets all others go first and counts it apart. Set by the gateway
    /// alone, which drops what clients send under this name.
    /// </summary>
    public const string Mirrored = "AiFabric-Mirrored";

    /// <summary>On answers of the gateway: who gave it, <c>model[:adapter]@revision</c>. The model is OpenAI's name of it, and the revision that of its pods.</summary>
    public const string ServedBy = "AiFabric-Served-By";
}
