using System.Text.RegularExpressions;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Weights;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Hosting;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Control;

/// <summary>Loads and unloads adapters.</summary>
internal sealed partial class AdapterControl(WorkerState state, ModelStore store, ILogger log)
{
    public AdapterList List() => new() { Adapters = state.Model.Backend.Adapters };

    /// <exception cref="ApiException">400: name, URI or content; 409: another digest, or no room.</exception>
    public async Task<AdapterStatus> LoadAsync(string name, AdapterRequest request, CancellationToken cancellationToken)
    {
        if (!NamePattern().IsMatch(name))
            throw ApiException.Invalid("name", $"is '{name}'; it must be up to 253 letters, digits, '-', '_' and '.', and begin with a letter or digit.");
        try
        {
            bool known = List().Adapters.Any(a => a.Name == name && a.Digest == request.Digest);
            var model = state.Model;
            var status = await model.Backend.LoadAdapterAsync(name, request, (use, cancelled) => store.UseFolderAsync(request.Uri, use, cancelled), cancellationToken);
            if (!known)
                Log.Adapter(log, name, status.Digest, "loaded");
            return status;
        }
        catch (StorageException e)
        {
            throw new ApiException(400, e.Message, "uri", "invalid_uri");
        }
        catch (DownloadException e)
        {
            throw DownloadError.Of("uri", e);
        }
        catch (CheckpointException e)
        {
            throw new ApiException(400, e.Message, "uri", RejectionCodes.AdapterInvalid);
        }
        catch (EngineRejectedException e) when (e.Param == "digest")
        {
            throw new ApiException(409, e.Message, "digest", "digest_mismatch");
        }
    }

    public async Task UnloadAsync(string name, CancellationToken cancellationToken)
    {
        if (await state.Model.Backend.UnloadAdapterAsync(name, cancellationToken))
            Log.Adapter(log, name, "", "unloaded");
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$")]
    private static partial Regex NamePattern();
}
