using System.Collections.Concurrent;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Http;

namespace AiFabric.Gateway.Limits;

/// <summary>The budgets of all tenants in this replica.</summary>
public sealed class LimitKeeper(ApiKeyRing keys, TimeProvider time)
{
    // What a token has of a prompt's JSON on average, bytes. The answer corrects it where it says how many there were.
    private const int BytesOfToken = 4;

    private readonly ConcurrentDictionary<string, TenantBudget> _budgets = new(StringComparer.Ordinal);

    private TimeSpan Now => time.GetElapsedTime(0);

    /// <summary>Takes a request into its tenant's budgets, and has the answer tell what is left of them.</summary>
    /// <returns>What it spends, null where nothing is limited; or the error to answer with.</returns>
    /// <param name="context">The request.</param>
    /// <param name="promptBytes">Length of its prompt's JSON.</param>
    public (Spending? Spending, OpenAIError? Error) Admit(HttpContext context, long promptBytes)
    {
        if (context.Features.Get<Tenant>() is not { } tenant || tenant.Limits == TenantLimits.None)
            return (null, null);
        TenantBudget budget = BudgetOf(tenant);
        long promptTokens = TokensOf(promptBytes);
        context.Response.OnStarting(() =>
        {
            (LimitState? requests, LimitState? tokens) = budget.Read(Now);
            LimitHeaders.Write(context.Response.Headers, requests, tokens);
            return Task.CompletedTask;
        });
        if (budget.TryTake(promptTokens, Now) is not { } refusal)
            return (new Spending(budget, promptTokens, time), null);
        GatewayMetrics.RateLimited.WithLabels(refusal.Kind).Inc();
        return (null, OpenAIError.RateLimited(refusal));
    }

    /// <summary>What a prompt has about, by the length of its JSON.</summary>
    internal static long TokensOf(long promptBytes) => (promptBytes + BytesOfToken - 1) / BytesOfToken;

    private TenantBudget BudgetOf(Tenant tenant)
    {
        // Only known keys come here; those of long ago are forgotten now and then.
        if (_budgets.Count > (2 * keys.Count) + 16)
            _budgets.Clear();
        TenantBudget budget = _budgets.GetOrAdd(tenant.Id, _ => new TenantBudget(tenant.Limits, Now));
        return budget.Limits == tenant.Limits ? budget : _budgets[tenant.Id] = new TenantBudget(tenant.Limits, Now);
    }
}
