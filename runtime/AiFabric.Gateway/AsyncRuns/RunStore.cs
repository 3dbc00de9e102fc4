using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiFabric.Gateway.AsyncRuns.Storage;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>
/// Runs in documents. No two documents change together, so each step leaves what a kill may interrupt: a name in a list is written before its run and taken off after
/// it, and a name without a run counts for nothing.
/// </summary>
/// <remarks><c>run.ID</c>, <c>input.ID</c>, <c>output.ID.X</c>, <c>page.ID.X</c>; lists <c>open</c> (those with something left to do) and <c>tenant.T</c>; <c>idempotency.DIGEST</c>.</remarks>
public sealed class RunStore(IDocuments documents, IOptions<RunOptions> options, TimeProvider time) : IDisposable
{
    private const string OpenKey = "open";

    /// <summary>Times that a write is tried over what others wrote in between.</summary>
    private const int MaxConflicts = 50;

    /// <summary>The store keeps documents longer than anybody may read them.</summary>
    private static readonly TimeSpan Reserve = TimeSpan.FromHours(1);

    /// <summary>This process takes turns in changing a list; conflicts are with other replicas alone.</summary>
    private readonly SemaphoreSlim _listTurn = new(1, 1);

    /// <summary>Puts a run in the queue. When this returns null it outlives a kill. Once begun it is not cancelled.</summary>
    /// <returns>The bound that it would go beyond; null when it was taken.</returns>
    /// <exception cref="StorageException">The store does not answer; the run may be taken all the same.</exception>
    public async Task<RunLimit?> AddAsync(RunRecord run, string input, CancellationToken cancellationToken)
    {
        // From here on nobody's leaving stops it: a name in the list of open runs whose run is not there takes up a place for an hour.
        cancellationToken.ThrowIfCancellationRequested();
        cancellationToken = CancellationToken.None;
        var entry = new IndexEntry(run.Id, run.Tenant, run.CreatedAt, run.LatestEnd);
        if (await JoinAsync(OpenKey, entry, runs => Bound(runs, run.Tenant), keep: null, cancellationToken) is { } full)
            return full;
        TimeSpan keep = KeepOf(run);
        if (await JoinAsync(TenantKey(run.Tenant), entry, runs => runs.Count >= options.Value.RunsKeptPerTenant ? RunLimit.KeptPerTenant : null, ListKeep, cancellationToken) is { } many)
        {
            await LeaveAsync(OpenKey, run.Id, cancellationToken);
            return many;
        }
        await documents.WriteAsync($"input.{run.Id}", Bytes(new RunText(input), RunRecordJson.Default.RunText), keep, cancellationToken);
        // One that is there is that of the same request, which came twice at the same time.
        if (!await documents.TryWriteAsync(RunKey(run.Id), Bytes(run, RunRecordJson.Default.RunRecord), null, keep, cancellationToken)
            && await FindAsync(run.Id, cancellationToken) is null)
        {
            throw new StorageException($"run {run.Id} was deleted while it was added");
        }
        return null;
    }

    /// <summary>A run that exists now; null when none of that id does.</summary>
    public async Task<RunRecord?> FindAsync(string id, CancellationToken cancellationToken) =>
        IsId(id) ? Alive(await documents.ReadAsync(RunKey(id), cancellationToken)) : null;

    /// <summary>The runs of these ids; null for those that do not exist.</summary>
    public async Task<IReadOnlyList<RunRecord?>> FindAsync(IEnumerable<string> ids, CancellationToken cancellationToken) =>
        [.. (await documents.ReadAsync([.. ids.Select(RunKey)], cancellationToken)).Select(Alive)];

    /// <summary>Changes a run. <paramref name="change"/> gives the same record to leave it as it is, null to give up; it is called again when another write came first.</summary>
    /// <returns>The run as it is then; null when the change gave up or the run does not exist.</returns>
    public async Task<RunRecord?> ChangeAsync(string id, Func<RunRecord, RunRecord?> change, CancellationToken cancellationToken)
    {
        for (int conflict = 0; conflict < MaxConflicts; conflict++)
        {
            Document? read = await documents.ReadAsync(RunKey(id), cancellationToken);
            if (Alive(read) is not { } run || change(run) is not { } next)
                return null;
            if (ReferenceEquals(run, next) || await documents.TryWriteAsync(RunKey(id), Bytes(next, RunRecordJson.Default.RunRecord), read!.ETag, KeepOf(next), cancellationToken)) // alive
                return next;
        }
        throw new StorageException($"run {id} is written to by others all the time");
    }

    /// <summary>Runs that have not ended, or whose end was not told yet, oldest first.</summary>
    public Task<IReadOnlyList<IndexEntry>> OpenAsync(CancellationToken cancellationToken) => ListAsync(OpenKey, cancellationToken);

    /// <summary>A tenant's runs, newest first. Some may exist no more.</summary>
    public async Task<IReadOnlyList<IndexEntry>> OfTenantAsync(string tenant, CancellationToken cancellationToken) =>
        [.. (await ListAsync(TenantKey(tenant), cancellationToken)).Reverse()];

    /// <summary>Nothing is left to do for a run; its tenant's list learns when it will be gone.</summary>
    public async Task CloseAsync(RunRecord run, CancellationToken cancellationToken)
    {
        long gone = run.ExpiresAt ?? run.LatestEnd;
        await EditAsync(
            TenantKey(run.Tenant), runs => runs.Any(entry => entry.Id == run.Id && entry.LatestEnd != gone)
                ? [.. runs.Select(entry => entry.Id == run.Id ? entry with { LatestEnd = gone } : entry)]
                : null, ListKeep, cancellationToken);
        await LeaveAsync(OpenKey, run.Id, cancellationToken);
    }

    /// <summary>Takes a name that was left over off the list of open runs.</summary>
    public Task DropAsync(IndexEntry entry, CancellationToken cancellationToken) => LeaveAsync(OpenKey, entry.Id, cancellationToken);

    /// <summary>Deletes a run and all that belongs to it, the run itself first: what is left by a kill is no run.</summary>
    public async Task DeleteAsync(RunRecord run, CancellationToken cancellationToken)
    {
        await documents.DeleteAsync(RunKey(run.Id), cancellationToken);
        foreach (string? key in (string?[])[$"input.{run.Id}", run.Output, run.Reservation, .. run.Pages.Select(page => page.Key)])
        {
            if (key is not null)
                await documents.DeleteAsync(key, cancellationToken);
        }
        await LeaveAsync(TenantKey(run.Tenant), run.Id, cancellationToken);
        await LeaveAsync(OpenKey, run.Id, cancellationToken);
    }

    public Task<string?> ReadInputAsync(RunRecord run, CancellationToken cancellationToken) => ReadTextAsync($"input.{run.Id}", cancellationToken);

    public Task<string?> ReadOutputAsync(RunRecord run, CancellationToken cancellationToken) =>
        run.Output is { } key ? ReadTextAsync(key, cancellationToken) : Task.FromResult<string?>(null);

    /// <summary>Keeps an answer; it is the run's when the run says so.</summary>
    /// <returns>Its document.</returns>
    public Task<string> WriteOutputAsync(RunRecord run, string text, CancellationToken cancellationToken) =>
        WriteBesideAsync("output", run, new RunText(text), RunRecordJson.Default.RunText, cancellationToken);

    /// <summary>Keeps a part of what happened; it is the run's when the run says so.</summary>
    public async Task<PageRef> WritePageAsync(RunRecord run, IReadOnlyList<RunEntry> entries, CancellationToken cancellationToken) =>
        new(await WriteBesideAsync("page", run, new RunPage(entries), RunRecordJson.Default.RunPage, cancellationToken), entries.Count);

    /// <summary>What happened in a run after the first <paramref name="skip"/> entries, page by page.</summary>
    public async IAsyncEnumerable<(int Index, RunEntry Entry)> ReadEntriesAsync(
        RunRecord run, int skip, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int index = 0;
        foreach (PageRef page in run.Pages)
        {
            if (index + page.Entries <= skip)
            {
                index += page.Entries;
                continue;
            }
            Document document = await documents.ReadAsync(page.Key, cancellationToken) ?? throw new StorageException($"run {run.Id} has lost a page of its events");
            foreach (RunEntry entry in document.As(RunRecordJson.Default.RunPage).Entries)
            {
                if (index >= skip)
                    yield return (index, entry);
                index++;
            }
        }
    }

    /// <summary>Reserves an idempotency key for a request.</summary>
    /// <returns>Who has it: the one that was given, or the one that came before.</returns>
    public async Task<RunReservation> ReserveAsync(string key, RunReservation wanted, TimeSpan keep, CancellationToken cancellationToken)
    {
        byte[] json = Bytes(wanted, RunRecordJson.Default.RunReservation);
        for (int conflict = 0; conflict < MaxConflicts; conflict++)
        {
            Document? read = await documents.ReadAsync(key, cancellationToken);
            RunReservation? had = read?.As(RunRecordJson.Default.RunReservation);
            if (had is not null && await HoldsAsync(had, cancellationToken))
                return had;
            if (await documents.TryWriteAsync(key, json, read?.ETag, keep + Reserve, cancellationToken))
                return wanted;
        }
        throw new StorageException("the idempotency key is written to by others all the time");
    }

    /// <summary>Whether a reservation stands: its run exists, is being added, or was interrupted while it was. That of a run that is over, kept as long as it asked for, gives way.</summary>
    private async Task<bool> HoldsAsync(RunReservation had, CancellationToken cancellationToken) =>
        await documents.ReadAsync(RunKey(had.Id), cancellationToken) is { } run
            ? Alive(run) is not null
            : time.GetUtcNow().ToUnixTimeSeconds() - had.CreatedAt < Reserve.TotalSeconds;

    /// <summary>Whether a name in a list without a run is left over, rather than of a run that is being added.</summary>
    public bool IsLeftOver(IndexEntry entry) => time.GetUtcNow().ToUnixTimeSeconds() - entry.CreatedAt > Reserve.TotalSeconds;

    public void Dispose() => _listTurn.Dispose();

    private static string RunKey(string id) => $"run.{id}";

    private static string TenantKey(string tenant) => $"tenant.{(tenant.Length > 0 ? tenant : "all")}";

    private static bool IsId(string id) => id.StartsWith("run-", StringComparison.Ordinal) && id.All(c => char.IsAsciiLetterOrDigit(c) || c == '-');

    private static byte[] Bytes<T>(T record, JsonTypeInfo<T> type) => JsonSerializer.SerializeToUtf8Bytes(record, type);

    private RunLimit? Bound(IReadOnlyList<IndexEntry> open, string tenant) =>
        open.Count >= options.Value.RunsOpen ? RunLimit.Open
        : tenant.Length > 0 && open.Count(entry => entry.Tenant == tenant) >= options.Value.RunsOpenPerTenant ? RunLimit.OpenPerTenant
        : null;

    /// <summary>A tenant's list outlives each run that may be in it.</summary>
    private TimeSpan ListKeep => TimeSpan.FromSeconds((long)options.Value.RunWindowSeconds + options.Value.RunKeepSeconds) + Reserve;

    private TimeSpan KeepOf(RunRecord run) =>
        TimeSpan.FromSeconds(Math.Max(1, (run.ExpiresAt ?? run.LatestEnd) - time.GetUtcNow().ToUnixTimeSeconds())) + Reserve;

    private RunRecord? Alive(Document? document) => document?.As(RunRecordJson.Default.RunRecord) is { } run && !(run.ExpiresAt <= time.GetUtcNow().ToUnixTimeSeconds()) ? run : null;

    private async Task<string?> ReadTextAsync(string key, CancellationToken cancellationToken) =>
        (await documents.ReadAsync(key, cancellationToken))?.As(RunRecordJson.Default.RunText).Text;

    private async Task<string> WriteBesideAsync<T>(string kind, RunRecord run, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        string key = $"{kind}.{run.Id}.{Guid.NewGuid():n}";
        await documents.WriteAsync(key, Bytes(body, type), KeepOf(run), cancellationToken);
        return key;
    }

    private async Task<IReadOnlyList<IndexEntry>> ListAsync(string key, CancellationToken cancellationToken) =>
        (await documents.ReadAsync(key, cancellationToken))?.As(RunRecordJson.Default.RunIndex).Runs ?? [];

    private async Task<RunLimit?> JoinAsync(
        string key, IndexEntry entry, Func<IReadOnlyList<IndexEntry>, RunLimit?> bound, TimeSpan? keep, CancellationToken cancellationToken)
    {
        RunLimit? limit = null;
        long now = time.GetUtcNow().ToUnixTimeSeconds();
        await EditAsync(key, runs =>
        {
            IndexEntry[] alive = [.. runs.Where(run => run.LatestEnd > now)];
            limit = null;
            if (alive.Any(run => run.Id == entry.Id))
                return null;
            limit = bound(alive);
            return limit is null ? [.. alive, entry] : null;
        }, keep, cancellationToken);
        return limit;
    }

    private Task LeaveAsync(string key, string id, CancellationToken cancellationToken) => EditAsync(
        key, runs => runs.Any(run => run.Id == id) ? [.. runs.Where(run => run.Id != id)] : null,
        key == OpenKey ? null : ListKeep, cancellationToken);

    private async Task EditAsync(string key, Func<IReadOnlyList<IndexEntry>, IReadOnlyList<IndexEntry>?> edit, TimeSpan? keep, CancellationToken cancellationToken)
    {
        await _listTurn.WaitAsync(cancellationToken);
        try
        {
            for (int conflict = 0; conflict < MaxConflicts; conflict++)
            {
                Document? read = await documents.ReadAsync(key, cancellationToken);
                if (edit(read?.As(RunRecordJson.Default.RunIndex).Runs ?? []) is not { } next
                    || await documents.TryWriteAsync(key, Bytes(new RunIndex(next), RunRecordJson.Default.RunIndex), read?.ETag, keep, cancellationToken))
                {
                    return;
                }
            }
        }
        finally
        {
            _listTurn.Release();
        }
        throw new StorageException("the list of runs is written to by others all the time");
    }
}

/// <summary>A bound on the number of runs.</summary>
public enum RunLimit
{
    /// <summary><see cref="RunOptions.RunsOpen"/>.</summary>
    Open,

    /// <summary><see cref="RunOptions.RunsOpenPerTenant"/>.</summary>
    OpenPerTenant,

    /// <summary><see cref="RunOptions.RunsKeptPerTenant"/>.</summary>
    KeptPerTenant,
}
