using System.Globalization;

namespace AiFabric.Gateway.Limits;

/// <summary>OpenAI's rate-limit headers.</summary>
public static class LimitHeaders
{
    /// <summary>Writes what is left of a tenant's budgets.</summary>
    public static void Write(IHeaderDictionary headers, LimitState? requests, LimitState? tokens)
    {
        Write(headers, "requests", requests);
        Write(headers, "tokens", tokens);
    }

    /// <summary>A time as OpenAI writes it: <c>120ms</c>, <c>1.5s</c>, <c>6m0s</c>.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalMilliseconds):0}ms"),
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###}s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes}m{time.Seconds}s"),
    };

    private static void Write(IHeaderDictionary headers, string kind, LimitState? state)
    {
        if (state is not { } known)
            return;
        headers[$"x-ratelimit-limit-{kind}"] = known.Limit.ToString(CultureInfo.InvariantCulture);
        headers[$"x-ratelimit-remaining-{kind}"] = known.Remaining.ToString(CultureInfo.InvariantCulture);
        headers[$"x-ratelimit-reset-{kind}"] = Duration(known.Reset);
    }
}
