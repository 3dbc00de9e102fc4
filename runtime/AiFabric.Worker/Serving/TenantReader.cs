using AiFabric.Protocol;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>Reads whose request it is from what the gateway says.</summary>
internal static class TenantReader
{
    private const int MaxCharacters = 64;

    /// <returns>Null without the header: all who send none are one tenant.</returns>
    /// <exception cref="ApiException">400: given twice, empty, too long or not plain.</exception>
    public static string? Read(HttpRequest request)
    {
        var values = request.Headers[WorkerHeaders.Tenant];
        if (values.Count == 0)
            return null;
        return values is [{ Length: > 0 and <= MaxCharacters } tenant] && tenant.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? tenant
            : throw ApiException.Invalid(WorkerHeaders.Tenant, $"is a header of 1 to {MaxCharacters} letters, digits, '-', '_' and '.', given once.");
    }
}
