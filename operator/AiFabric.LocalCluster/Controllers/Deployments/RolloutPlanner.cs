using System.Globalization;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Deployments;

/// <summary>A deployment's wishes, with percentages resolved and defaults filled in.</summary>
internal sealed record RolloutGoal
{
    public required int Replicas { get; init; }

    public bool Recreate { get; init; }

    public bool Paused { get; init; }

    public int MaxSurge { get; init; } = 1;

    public int MaxUnavailable { get; init; }

    public int HistoryLimit { get; init; } = 10;
}

/// <summary>One replica set of the deployment.</summary>
/// <param name="Name">Object name.</param>
/// <param name="Wanted">spec.replicas.</param>
/// <param name="Running">status.replicas.</param>
/// <param name="Ready">status.readyReplicas.</param>
/// <param name="Available">status.availableReplicas.</param>
/// <param name="Revision">The revision annotation; 0 when missing.</param>
internal sealed record SetView(string Name, int Wanted, int Running, int Ready, int Available, long Revision);

/// <summary>What to do now.</summary>
/// <param name="CreateNew">Replicas of the new set to create; null when it exists or must wait.</param>
/// <param name="Scale">New spec.replicas by set name, changes only.</param>
/// <param name="Remove">Old empty sets beyond the history limit.</param>
internal sealed record RolloutPlan(int? CreateNew, IReadOnlyDictionary<string, int> Scale, IReadOnlyList<string> Remove);

/// <summary>Decides replica counts of a deployment's sets, by the rules of Kubernetes' deployment controller.</summary>
internal static class RolloutPlanner
{
    public static RolloutGoal Goal(V1DeploymentSpec spec)
    {
        int replicas = spec.Replicas ?? 1;
        int surge = Resolve(spec.Strategy?.RollingUpdate?.MaxSurge?.Value, replicas, roundUp: true);
        int unavailable = Resolve(spec.Strategy?.RollingUpdate?.MaxUnavailable?.Value, replicas, roundUp: false);
        return new RolloutGoal
        {
            Replicas = replicas,
            Recreate = spec.Strategy?.Type == "Recreate",
            Paused = spec.Paused == true,
            MaxSurge = surge,
            // Both zero could never move; Kubernetes then allows one to be away.
            MaxUnavailable = surge == 0 && unavailable == 0 ? 1 : unavailable,
            HistoryLimit = spec.RevisionHistoryLimit ?? 10,
        };
    }

    public static RolloutPlan Plan(RolloutGoal goal, SetView? current, IReadOnlyList<SetView> old)
    {
        var scale = new Dictionary<string, int>();
        int? create = null;
        if (goal.Paused)
        {
            ScaleActiveOnly(goal, current, old, scale);
        }
        else if (goal.Recreate)
        {
            create = PlanRecreate(goal, current, old, scale);
        }
        else
        {
            create = PlanRolling(goal, current, old, scale);
        }

        return new RolloutPlan(create, scale, Surplus(goal, current, old));
    }

    private static int Resolve(string? value, int replicas, bool roundUp)
    {
        value ??= "25%";
        if (!value.EndsWith('%'))
        {
            return int.Parse(value, CultureInfo.InvariantCulture);
        }

        int scaled = int.Parse(value[..^1], CultureInfo.InvariantCulture) * replicas;
        return roundUp ? (scaled + 99) / 100 : scaled / 100;
    }

    private static void ScaleActiveOnly(RolloutGoal goal, SetView? current, IReadOnlyList<SetView> old, Dictionary<string, int> scale)
    {
        SetView[] active = [.. old.Append(current).OfType<SetView>().Where(s => s.Wanted > 0)];
        SetView? only = active.Length switch { 0 => current, 1 => active[0], _ => null };
        if (only is not null && only.Wanted != goal.Replicas)
        {
            scale[only.Name] = goal.Replicas;
        }
    }

    private static int? PlanRecreate(RolloutGoal goal, SetView? current, IReadOnlyList<SetView> old, Dictionary<string, int> scale)
    {
        foreach (SetView set in old.Where(s => s.Wanted > 0))
        {
            scale[set.Name] = 0;
        }

        // The new set may start only when the last old pod has gone.
        if (old.Any(s => s.Wanted > 0 || s.Running > 0))
        {
            return null;
        }

        return ScaleNew(goal.Replicas, current, scale);
    }

    private static int? PlanRolling(RolloutGoal goal, SetView? current, IReadOnlyList<SetView> old, Dictionary<string, int> scale)
    {
        // 1. The new set grows into the room that the surge leaves.
        int total = old.Sum(s => s.Wanted) + (current?.Wanted ?? 0);
        int room = Math.Max(0, goal.Replicas + goal.MaxSurge - total);
        int wanted = current?.Wanted ?? 0;
        int grown = wanted > goal.Replicas ? goal.Replicas : Math.Min(goal.Replicas, wanted + room);
        int? create = ScaleNew(grown, current, scale);

        // 2. The old ones shrink as far as the unavailable budget allows; pods that do not serve anyway go first.
        int minAvailable = goal.Replicas - goal.MaxUnavailable;
        int newUnavailable = grown - (current?.Available ?? 0);
        int budget = old.Sum(s => s.Wanted) + grown - minAvailable - newUnavailable;
        int spare = old.Sum(s => Math.Min(s.Available, s.Wanted)) + (current?.Available ?? 0) - minAvailable;
        foreach (SetView set in old.Where(s => s.Wanted > 0).OrderBy(s => s.Revision))
        {
            int broken = Math.Clamp(set.Wanted - set.Available, 0, Math.Max(0, budget));
            int healthy = Math.Clamp(Math.Min(spare, budget - broken), 0, set.Wanted - broken);
            budget -= broken + healthy;
            spare -= healthy;
            if (broken + healthy > 0)
            {
                scale[set.Name] = set.Wanted - broken - healthy;
            }
        }

        return create;
    }

    private static int? ScaleNew(int replicas, SetView? current, Dictionary<string, int> scale)
    {
        if (current is null)
        {
            return replicas;
        }

        if (current.Wanted != replicas)
        {
            scale[current.Name] = replicas;
        }

        return null;
    }

    private static string[] Surplus(RolloutGoal goal, SetView? current, IReadOnlyList<SetView> old)
    {
        if (current is null)
        {
            return [];
        }

        SetView[] empty = [.. old.Where(s => s is { Wanted: 0, Running: 0 }).OrderBy(s => s.Revision)];
        return [.. empty.Take(Math.Max(0, old.Count - goal.HistoryLimit)).Select(s => s.Name)];
    }
}
