using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Gateway.AsyncRuns.Storage;
using AiFabric.Protocol.Gateway;
using Dapr;
using Dapr.Client;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>
/// Publishes runs' life-cycle events as CloudEvents, each at least once and in order: what happened is kept first, and how much of it was published after that, so
/// that whoever comes next goes on where it stopped.
/// </summary>
/// <param name="store">Runs.</param>
/// <param name="options">Names the pub/sub component.</param>
/// <param name="time">Clock.</param>
/// <param name="log">Log.</param>
/// <param name="dapr">The sidecar; null where none is used.</param>
public sealed class RunTeller(RunStore store, IOptions<RunOptions> options, TimeProvider time, ILogger<RunTeller> log, DaprClient? dapr = null)
{
    private const string ContentType = "application/cloudevents+json";

    /// <summary>Publishes what is new of a run.</summary>
    /// <returns>Whether all of it is published; what is not is logged, and tried again later.</returns>
    public async Task<bool> TellAsync(RunRecord run, CancellationToken cancellationToken)
    {
        if (dapr is null || options.Value.RunsPubSub is not { } pubSub || run.Told >= run.Events)
            return true;
        int told = run.Told;
        bool all = true;
        try
        {
            await foreach ((int index, PipelineRunEvent happened) in SinceAsync(run, told, cancellationToken))
            {
                await PublishAsync(dapr, pubSub, happened, cancellationToken);
                told = index + 1;
            }
        }
        catch (StorageException e)
        {
            Log.RunNotTold(log, run.Id, told, e);
            all = false;
        }
        return await NoteAsync(run, told, cancellationToken) && all;
    }

    /// <summary>A run's events after the first <paramref name="skip"/>, as far as there are any.</summary>
    /// <exception cref="StorageException">The store does not answer.</exception>
    public async IAsyncEnumerable<(int Index, PipelineRunEvent Happened)> SinceAsync(
        RunRecord run, int skip, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach ((int index, RunEntry entry) in store.ReadEntriesAsync(run, skip, cancellationToken))
            yield return (index, RunEvents.Of(run, index, entry));
        if (run.HasEnded && skip <= run.Entries)
            yield return (run.Entries, RunEvents.End(run));
    }

    /// <summary>Notes how far it got: what is not noted is published once more.</summary>
    private async Task<bool> NoteAsync(RunRecord run, int told, CancellationToken cancellationToken)
    {
        if (told == run.Told)
            return true;
        try
        {
            await store.ChangeAsync(run.Id, now => now.Told >= told ? now : now with { Told = told }, cancellationToken);
            return true;
        }
        catch (StorageException e)
        {
            Log.RunNotTold(log, run.Id, told, e);
            return false;
        }
    }

    private async Task PublishAsync(DaprClient dapr, string pubSub, PipelineRunEvent happened, CancellationToken cancellationToken)
    {
        using var tooLong = new CancellationTokenSource(options.Value.Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(tooLong.Token, cancellationToken);
        try
        {
            byte[] json = JsonSerializer.SerializeToUtf8Bytes(happened, PipelineRunJson.Default.PipelineRunEvent);
            await dapr.PublishByteEventAsync(pubSub, options.Value.RunsTopic, json, ContentType, cancellationToken: either.Token);
        }
        catch (Exception e) when (e is DaprException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new StorageException($"the Dapr pub/sub component '{pubSub}' did not take an event: {e.InnerException?.Message ?? e.Message}", e);
        }
    }
}
