using AiFabric.Protocol;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>Reads whether a request is a copy that nobody waits for, from what the gateway says.</summary>
internal static class MirroredReader
{
    /// <exception cref="ApiException">400: neither absent nor true.</exception>
    public static bool Read(HttpRequest request) => request.Headers[WorkerHeaders.Mirrored] switch
    {
        [] => false,
        ["true"] => true,
        _ => throw ApiException.Invalid(WorkerHeaders.Mirrored, "is a header that is 'true', given once, or absent."),
    };
}
