using System.Net;
using k8s.Models;
using Microsoft.Extensions.Logging;

namespace AiFabric.Kube;

/// <summary>Why leading ended.</summary>
public enum LeadershipEnd
{
    /// <summary>We were asked to stop; the lease is free for the next.</summary>
    Stopped,

    /// <summary>The lease could not be renewed in time, or another took it.</summary>
    Lost,

    /// <summary>The work itself came to its end; the lease is free for the next.</summary>
    Done,
}

/// <summary>
/// Runs work only while holding a Lease, by client-go's rules: a lease counts as expired when its record did not change for its
/// duration <em>by our own clock</em>, so that clocks need not agree. A paused process may overlap briefly with its successor.
/// </summary>
public sealed class LeaderElector
{
    private readonly IKubernetesClient _client;
    private readonly LeaderElectionOptions _options;
    private readonly TimeProvider _time;
    private readonly KubeMetrics _metrics;
    private readonly ILogger _logger;
    private readonly string _name;
    private V1Lease? _observed;
    private LeaseRecord? _observedRecord;
    private long _observedAt;
    private string? _announcedHolder;

    /// <param name="client">The API server.</param>
    /// <param name="options">Lease and times; <see cref="LeaderElectionOptions.LeaseName"/> must be set.</param>
    /// <param name="time">The clock of all waits.</param>
    /// <param name="metrics">Shows who leads.</param>
    /// <param name="logger">Told of changes.</param>
    /// <exception cref="ArgumentException">No lease name, or times that do not fit each other.</exception>
    public LeaderElector(
        IKubernetesClient client, LeaderElectionOptions options, TimeProvider time, KubeMetrics metrics, ILogger<LeaderElector> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentException.ThrowIfNullOrEmpty(options.LeaseName);
        if (options.RetryPeriod <= TimeSpan.Zero || options.RenewDeadline <= options.RetryPeriod || options.LeaseDuration <= options.RenewDeadline)
            throw new ArgumentException("Leader election needs 0 < RetryPeriod < RenewDeadline < LeaseDuration.", nameof(options));
        _client = client;
        _options = options;
        _time = time;
        _metrics = metrics;
        _logger = logger;
        _name = options.LeaseName;
        Identity = options.Identity ?? $"{Dns.GetHostName()}_{Guid.NewGuid():N}";
    }

    /// <summary>The name we hold the lease under.</summary>
    public string Identity { get; }

    /// <summary>Waits for the lease, then runs <paramref name="lead"/> for as long as it is held, then waits for it to end.</summary>
    /// <param name="lead">The work; its token is signalled when leading ends.</param>
    /// <param name="cancellationToken">Ends the wait or the leading.</param>
    public async Task<LeadershipEnd> RunAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(lead);
        _metrics.LeaderElectionMaster.WithLabels(_name).Set(0);
        try
        {
            while (!await TryAcquireOrRenewAsync(cancellationToken))
                await Task.Delay(_options.RetryPeriod, _time, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return LeadershipEnd.Stopped;
        }
        Log.LeadershipGained(_logger, Identity, _name);
        _metrics.LeaderElectionMaster.WithLabels(_name).Set(1);
        LeadershipEnd end = await LeadAsync(lead, cancellationToken);
        _metrics.LeaderElectionMaster.WithLabels(_name).Set(0);
        return end;
    }

    private async Task<LeadershipEnd> LeadAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken)
    {
        using var leading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task work = lead(leading.Token);
        Task renewals = RenewUntilLostAsync(leading.Token);
        Task first = await Task.WhenAny(work, renewals);
        bool lost = first == renewals && !cancellationToken.IsCancellationRequested;
        if (lost)
            Log.LeadershipLost(_logger, Identity, _name);
        await leading.CancelAsync();
        try
        {
            await work;
        }
        catch (OperationCanceledException) when (leading.IsCancellationRequested)
        {
            // The work's way of saying that it stopped.
        }
        finally
        {
            await renewals;
            if (!lost)
                await ReleaseAsync();
        }
        return lost ? LeadershipEnd.Lost : cancellationToken.IsCancellationRequested ? LeadershipEnd.Stopped : LeadershipEnd.Done;
    }

    /// <summary>Returns when the lease is lost or the token is signalled.</summary>
    private async Task RenewUntilLostAsync(CancellationToken cancellationToken)
    {
        long renewed = _time.GetTimestamp();
        try
        {
            while (true)
            {
                await Task.Delay(_options.RetryPeriod, _time, cancellationToken);
                TimeSpan left = _options.RenewDeadline - _time.GetElapsedTime(renewed);
                if (left <= TimeSpan.Zero)
                    return;
                // A server that accepts the request and never answers must not keep us leading beyond the deadline.
                using var deadline = new CancellationTokenSource(left, _time);
                using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
                if (await TryAcquireOrRenewAsync(both.Token))
                    renewed = _time.GetTimestamp();
                else if (_observedRecord?.Holder is { } holder && holder != Identity)
                    return;
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop, or the deadline passed in mid-request: either way it is over.
        }
    }

    private async Task<bool> TryAcquireOrRenewAsync(CancellationToken cancellationToken)
    {
        // A server that went away without a word must cost neither the lease nor its successor's turn: there is time to ask another.
        using var late = new CancellationTokenSource(_options.RenewDeadline / 2, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            V1Lease? lease = await _client.GetAsync<V1Lease>(_name, _options.LeaseNamespace, either.Token);
            if (lease is null)
            {
                Observe(await _client.CreateAsync(NewLease(), either.Token));
                return true;
            }
            Observe(lease);
            LeaseRecord record = LeaseRecord.Of(lease);
            if (record.Holder is { } holder && holder != Identity && !HasExpired(record))
            {
                if (_announcedHolder != holder)
                    Log.LeaseHeld(_logger, _name, _announcedHolder = holder);
                return false;
            }
            lease.Spec = Ours(record).ToSpec();
            // The lease carries the resourceVersion read: whoever writes second gets a conflict.
            Observe(await _client.UpdateAsync(lease, either.Token));
            return true;
        }
        catch (KubernetesApiException e) when (e.IsConflict || e.IsAlreadyExists)
        {
            return false; // Another was faster; the next look shows who.
        }
        catch (Exception e) when (e is KubernetesApiException or HttpRequestException or IOException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Log.LeaseFailed(_logger, e, _name);
            return false;
        }
    }

    private void Observe(V1Lease lease)
    {
        LeaseRecord record = LeaseRecord.Of(lease);
        if (record != _observedRecord)
        {
            _observedRecord = record;
            _observedAt = _time.GetTimestamp();
        }
        _observed = lease;
    }

    private bool HasExpired(LeaseRecord record) =>
        _time.GetElapsedTime(_observedAt) >= TimeSpan.FromSeconds(record.DurationSeconds);

    private LeaseRecord Ours(LeaseRecord? before)
    {
        DateTime now = _time.GetUtcNow().UtcDateTime;
        int duration = (int)Math.Ceiling(_options.LeaseDuration.TotalSeconds);
        return before?.Holder == Identity
            ? before with { DurationSeconds = duration, RenewedAt = now }
            : new(Identity, duration, now, now, before is null ? 0 : before.Transitions + 1);
    }

    private V1Lease NewLease() => new()
    {
        Metadata = new V1ObjectMeta { Name = _name, NamespaceProperty = _options.LeaseNamespace },
        Spec = Ours(null).ToSpec(),
    };

    /// <summary>Frees the lease so that the next need not wait for its end. Best effort: it also ends by itself.</summary>
    private async Task ReleaseAsync()
    {
        if (_observed is not { } lease || _observedRecord is not { } record || record.Holder != Identity)
            return;
        DateTime now = _time.GetUtcNow().UtcDateTime;
        lease.Spec = (record with { Holder = null, DurationSeconds = 1, RenewedAt = now }).ToSpec();
        using var deadline = new CancellationTokenSource(_options.RetryPeriod, _time);
        try
        {
            await _client.UpdateAsync(lease, deadline.Token);
        }
        catch (Exception e) when (e is KubernetesApiException or HttpRequestException or IOException or OperationCanceledException)
        {
            Log.LeaseFailed(_logger, e, _name);
        }
    }
}
