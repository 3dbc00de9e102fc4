using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using AiFabric.Operator.Validation;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Webhooks;

/// <summary>Answers the API server: <c>POST /validate/{plural}</c> and <c>POST /default/{plural}</c>.</summary>
internal sealed class WebhookEndpoints(
    IStore<CoServedModel> models, IStore<Adapter> adapters, IStore<FinetuneJob> jobs, IStore<Pipeline> pipelines, IOptions<OperatorOptions> options, OperatorMetrics metrics,
    ILogger<WebhookEndpoints> logger)
{
    /// <summary>Two objects of at most 1.5 MiB each (etcd's bound), with room for what JSON escapes.</summary>
    private const int MaxBodyBytes = 8 * 1024 * 1024;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/validate/{plural}", (string plural, HttpContext context, WebhookEndpoints endpoints) =>
            endpoints.AnswerAsync(context, plural, "validate", endpoints.Validate));
        routes.MapPost("/default/{plural}", (string plural, HttpContext context, WebhookEndpoints endpoints) =>
            endpoints.AnswerAsync(context, plural, "default", Defaulting.Answer));
    }

    private async Task AnswerAsync(
        HttpContext context, string plural, string path, Func<string, AdmissionRequest, string, AdmissionResponse> answer)
    {
        if (!Kinds.Reviews.ContainsKey(plural))
        {
            await RefuseAsync(context, StatusCodes.Status404NotFound, $"no reviews of '{plural}': known are {string.Join(", ", Kinds.Reviews.Keys)}");
            return;
        }
        using var body = new MemoryStream();
        if (!await ReadAsync(context.Request, body))
        {
            await RefuseAsync(context, StatusCodes.Status413PayloadTooLarge, $"the body has more than {MaxBodyBytes} bytes");
            return;
        }
        if (!ReviewReader.TryRead(body.GetBuffer().AsSpan(0, (int)body.Length), plural, out AdmissionRequest? request, out string? error))
        {
            metrics.Reviews.WithLabels(path, plural, "bad").Inc();
            await RefuseAsync(context, StatusCodes.Status400BadRequest, error);
            return;
        }
        AdmissionResponse response = answer(plural, request, request.Uid!); // The reader lets none without a uid through.
        metrics.Reviews.WithLabels(path, plural, response.Allowed ? "allowed" : "refused").Inc();
        if (response.Status is { } status)
            Log.ReviewRefused(logger, request.Operation, plural, new NamespacedName(request.Namespace, request.Name ?? "?"), status.Message);
        var review = new AdmissionReview { ApiVersion = AdmissionReview.Version, Kind = AdmissionReview.KindName, Response = response };
        await context.Response.WriteAsJsonAsync(review, AdmissionJson.Default.AdmissionReview, cancellationToken: context.RequestAborted);
    }

    private AdmissionResponse Validate(string plural, AdmissionRequest request, string uid)
    {
        // Another namespace than the only one looked at belongs to another operator.
        if (options.Value.Namespace is { } own && own != request.Namespace)
            return Verdict.Pass.ToResponse(uid);
        return Kinds.Reviews[plural].Decide(request, Around(request.Namespace)).ToResponse(uid);
    }

    /// <summary>Null until the caches are filled, for before that "not there" means nothing.</summary>
    private Surroundings? Around(string? space) => models.HasSynced && adapters.HasSynced && jobs.HasSynced && pipelines.HasSynced
        ? new Surroundings(models.List(space), adapters.List(space), jobs.List(space)) { Pipelines = pipelines.List(space) }
        : null;

    private static async Task<bool> ReadAsync(HttpRequest request, MemoryStream body)
    {
        byte[] chunk = new byte[64 * 1024];
        int read;
        while ((read = await request.Body.ReadAsync(chunk, request.HttpContext.RequestAborted)) > 0)
        {
            if (body.Length + read > MaxBodyBytes)
                return false;
            await body.WriteAsync(chunk.AsMemory(0, read), request.HttpContext.RequestAborted);
        }
        return true;
    }

    private static Task RefuseAsync(HttpContext context, int status, string line)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(line + "\n", context.RequestAborted);
    }
}
