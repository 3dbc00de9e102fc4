using System.Globalization;
using AiFabric.Protocol;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>Reads how long the work that a request is a part of has been under way, from what the gateway says.</summary>
internal static class AgeReader
{
    /// <summary>The longest that a pipeline may run: one day.</summary>
    private const int MaxMilliseconds = 86_400_000;

    /// <returns>Zero without the header: it is a part of nothing else.</returns>
    /// <exception cref="ApiException">400: given twice, negative, too long or no whole number.</exception>
    public static TimeSpan Read(HttpRequest request)
    {
        var values = request.Headers[WorkerHeaders.Age];
        if (values.Count == 0)
            return TimeSpan.Zero;
        return values is [{ } text] && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int age) && age <= MaxMilliseconds
            ? TimeSpan.FromMilliseconds(age)
            : throw ApiException.Invalid(WorkerHeaders.Age, $"is a header of 0 to {MaxMilliseconds} milliseconds, given once.");
    }
}
