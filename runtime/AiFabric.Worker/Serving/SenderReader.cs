using System.Globalization;
using AiFabric.Protocol;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>What the gateway says of a request.</summary>
/// <param name="Tenant">Whose it is; null is a tenant like others.</param>
/// <param name="Age">How long the work that it is a part of has been under way.</param>
internal readonly record struct Sender(string? Tenant, TimeSpan Age);

/// <summary>Reads the headers that the gateway sets.</summary>
internal static class SenderReader
{
    private const int MaxCharacters = 64;

    /// <summary>The longest that a pipeline may run: one day.</summary>
    private const int MaxAgeMilliseconds = 86_400_000;

    /// <returns>Without headers: the tenant of all who send none, and a request that is no part of another.</returns>
    /// <exception cref="ApiException">400: given twice, empty, too long or not of the header's form.</exception>
    public static Sender Read(HttpRequest request) => new(Tenant(request), Age(request));

    private static string? Tenant(HttpRequest request)
    {
        var values = request.Headers[WorkerHeaders.Tenant];
        if (values.Count == 0)
            return null;
        return values is [{ Length: > 0 and <= MaxCharacters } tenant] && tenant.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? tenant
            : throw ApiException.Invalid(WorkerHeaders.Tenant, $"is a header of 1 to {MaxCharacters} letters, digits, '-', '_' and '.', given once.");
    }

    private static TimeSpan Age(HttpRequest request)
    {
        var values = request.Headers[WorkerHeaders.Age];
        if (values.Count == 0)
            return TimeSpan.Zero;
        return values is [{ } text] && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int age) && age <= MaxAgeMilliseconds
            ? TimeSpan.FromMilliseconds(age)
            : throw ApiException.Invalid(WorkerHeaders.Age, $"is a header of 0 to {MaxAgeMilliseconds} milliseconds, given once.");
    }
}
