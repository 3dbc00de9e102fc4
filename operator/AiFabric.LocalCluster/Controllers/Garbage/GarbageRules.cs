namespace AiFabric.LocalCluster.Controllers.Garbage;

/// <summary>What is known of one owner of an object.</summary>
internal enum OwnerState
{
    Exists,
    WaitsForDependents,
    Gone,
}

/// <summary>What to do with an object that has owners.</summary>
internal enum GarbageVerdict
{
    Keep,
    DropGoneReferences,
    DeleteInBackground,
    DeleteInForeground,
}

/// <summary>Kubernetes' garbage collection rules.</summary>
internal static class GarbageRules
{
    public const string ForegroundFinalizer = "foregroundDeletion";
    public const string OrphanFinalizer = "orphan";

    public static GarbageVerdict Decide(IReadOnlyCollection<OwnerState> owners)
    {
        if (owners.Count == 0)
        {
            return GarbageVerdict.Keep;
        }

        if (owners.Contains(OwnerState.Exists))
        {
            return owners.Contains(OwnerState.Gone) ? GarbageVerdict.DropGoneReferences : GarbageVerdict.Keep;
        }

        return owners.Contains(OwnerState.WaitsForDependents) ? GarbageVerdict.DeleteInForeground : GarbageVerdict.DeleteInBackground;
    }
}
