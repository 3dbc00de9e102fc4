namespace AiFabric.LocalCluster.Controllers;

/// <summary>Times as the API keeps them: whole seconds. A finer time would differ from its stored self and cause endless writes.</summary>
internal static class WireTime
{
    public static DateTimeOffset Seconds(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);

    /// <summary>A model's time field, read as UTC.</summary>
    public static DateTimeOffset? Read(DateTime? time) =>
        time is { } t ? new DateTimeOffset(t.Kind == DateTimeKind.Local ? t.ToUniversalTime() : DateTime.SpecifyKind(t, DateTimeKind.Utc)) : null;
}
