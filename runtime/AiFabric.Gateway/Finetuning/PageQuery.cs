using System.Globalization;
using AiFabric.Gateway.Http;

namespace AiFabric.Gateway.Finetuning;

/// <summary>How long a page is when nobody says, and at most.</summary>
internal readonly record struct PageLimits(int Default, int Most);

/// <summary>Which page of a list a client asks for: <c>limit</c> entries after the entry <c>after</c>.</summary>
internal sealed record PageQuery(int Limit, string? After)
{
    /// <param name="query">The request's.</param>
    /// <param name="limits">Of this list.</param>
    /// <param name="known">Further names that it may have.</param>
    /// <returns>The page, or the error to answer with.</returns>
    public static (PageQuery? Query, OpenAIError? Error) Read(IQueryCollection query, PageLimits limits, params ReadOnlySpan<string> known)
    {
        foreach (string name in query.Keys)
        {
            if (name is not ("limit" or "after") && !known.Contains(name))
                return (null, OpenAIError.Invalid($"'{name}' is not known here.", name));
        }
        int limit = limits.Default;
        if (query["limit"] is [{ } text] && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit < 1 || limit > limits.Most))
            return (null, OpenAIError.Invalid($"'limit' must be a number from 1 to {limits.Most}.", "limit"));
        return (new PageQuery(limit, query["after"]), null);
    }

    /// <summary>Cuts the page out of the whole list. After an entry that is not there comes nothing.</summary>
    public (IReadOnlyList<T> Page, bool HasMore) Cut<T>(IReadOnlyList<T> all, Func<T, string> id)
    {
        IEnumerable<T> rest = After is { Length: > 0 } after ? all.SkipWhile(entry => id(entry) != after).Skip(1) : all;
        T[] page = [.. rest.Take(Limit + 1)];
        return page.Length > Limit ? (page[..Limit], true) : (page, false);
    }
}
