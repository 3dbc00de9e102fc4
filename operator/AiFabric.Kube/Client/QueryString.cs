using System.Globalization;
using System.Text;

namespace AiFabric.Kube;

/// <summary>Builds the part of a URL after the path.</summary>
internal static class QueryString
{
    /// <summary><c>?a=1&amp;b=2</c>, without the parameters that are null; empty when all are.</summary>
    public static string Of(params ReadOnlySpan<(string Name, string? Value)> parameters)
    {
        var text = new StringBuilder();
        foreach ((string name, string? value) in parameters)
        {
            if (value is not null)
                text.Append(text.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
        }
        return text.ToString();
    }

    public static string? Number(long? value) => value?.ToString(CultureInfo.InvariantCulture);
}
