using AiFabric.Crds.CoServedModels;

namespace AiFabric.Gateway.Routing;

/// <summary>A worker that may be chosen, as it is known here at this moment.</summary>
/// <param name="Id">Its place among hashes: stays as long as its pod.</param>
/// <param name="Load">Requests that it has not ended; those that wait in it count twice, and all of them up to twice when its cache is full.</param>
/// <param name="CachedBytes">How much of the prompt its cache holds.</param>
public readonly record struct Candidate(ulong Id, double Load, int CachedBytes);

/// <summary>A request for which a worker is chosen.</summary>
/// <param name="Policy">The model's policy.</param>
/// <param name="PromptBytes">Length of the prompt; 0 when it is not known.</param>
/// <param name="Beginning">Names the prompt's beginning; null for a prompt that is too short for one.</param>
/// <param name="Session">Names the client's session, if it has one: it stays with one worker, whatever the policy.</param>
/// <param name="Turn">Counts requests: equals take turns.</param>
public readonly record struct RouteQuery(RoutingPolicy Policy, int PromptBytes, ulong? Beginning, ulong? Session, uint Turn);

/// <summary>Chooses a worker. Pure. docs/design/0019 says why so.</summary>
public static class RoutePlanner
{
    /// <summary>
    /// A worker has its share when one more request would take it above this multiple of the mean; see Mirrokni, Thorup and Zadimoghaddam,
    /// Consistent Hashing with Bounded Loads (arXiv 1608.01350), c = 1.25.
    /// </summary>
    public const double ShareOfMean = 1.25;

    /// <summary>
    /// Requests above that share that a worker may have for the sake of its cache: it batches them, so that a few more cost less than a prompt that is
    /// computed again. Without it a prefix would be spread as soon as two ask for it at the same time.
    /// </summary>
    public const int Slack = 4;

    /// <summary>A cache counts when it holds this part of the prompt: what all prompts begin with is no reason to send them to the same worker.</summary>
    public const double LeastHit = 0.25;

    /// <summary>Chooses.</summary>
    /// <param name="query">The request.</param>
    /// <param name="candidates">Workers that were not tried yet, in an order that does not change by itself.</param>
    /// <returns>Index of the choice; -1 when there are no candidates.</returns>
    public static int Pick(in RouteQuery query, ReadOnlySpan<Candidate> candidates)
    {
        if (candidates.Length <= 1)
            return candidates.Length - 1;
        if (query.Session is { } session)
            return Hashed(session, candidates, query.Turn);
        return query.Policy switch
        {
            RoutingPolicy.RoundRobin => (int)(query.Turn % (uint)candidates.Length),
            RoutingPolicy.PrefixHash when query.Beginning is { } beginning => Hashed(beginning, candidates, query.Turn),
            RoutingPolicy.PrefixAware => LongestCached(query, candidates),
            _ => LeastLoaded(candidates, query.Turn),
        };
    }

    /// <summary>What a worker may have before a request is sent past it.</summary>
    public static double Bound(ReadOnlySpan<Candidate> candidates)
    {
        double all = 1;
        foreach (Candidate candidate in candidates)
            all += candidate.Load;
        return Math.Ceiling(ShareOfMean * all / candidates.Length) + Slack;
    }

    private static int LongestCached(in RouteQuery query, ReadOnlySpan<Candidate> candidates)
    {
        double bound = Bound(candidates);
        int best = -1;
        for (int i = 0; i < candidates.Length; i++)
        {
            // Equals take turns here too: all may have a popular prefix.
            int at = (int)((query.Turn + (uint)i) % (uint)candidates.Length);
            Candidate candidate = candidates[at];
            if (candidate.CachedBytes < LeastHit * query.PromptBytes || candidate.CachedBytes == 0 || candidate.Load + 1 > bound)
                continue;
            if (best < 0 || candidate.CachedBytes > candidates[best].CachedBytes
                || (candidate.CachedBytes == candidates[best].CachedBytes && candidate.Load < candidates[best].Load))
            {
                best = at;
            }
        }
        return best >= 0 ? best : LeastLoaded(candidates, query.Turn);
    }

    /// <summary>
    /// The first with room in the order of the key's hashes (rendezvous hashing): each key has an order of its own, in which a worker that leaves moves
    /// nobody but its own keys.
    /// </summary>
    private static int Hashed(ulong key, ReadOnlySpan<Candidate> candidates, uint turn)
    {
        double bound = Bound(candidates);
        int best = -1;
        ulong highest = 0;
        for (int i = 0; i < candidates.Length; i++)
        {
            ulong weight = Mix(key ^ candidates[i].Id);
            if (candidates[i].Load + 1 <= bound && (best < 0 || weight > highest))
                (best, highest) = (i, weight);
        }
        return best >= 0 ? best : LeastLoaded(candidates, turn);
    }

    private static int LeastLoaded(ReadOnlySpan<Candidate> candidates, uint turn)
    {
        int best = -1;
        for (int i = 0; i < candidates.Length; i++)
        {
            int at = (int)((turn + (uint)i) % (uint)candidates.Length);
            if (best < 0 || candidates[at].Load < candidates[best].Load)
                best = at;
        }
        return best;
    }

    /// <summary>Spreads bits evenly: the finalizer of splitmix64 (Steele, Lea and Flood, 2014).</summary>
    internal static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
