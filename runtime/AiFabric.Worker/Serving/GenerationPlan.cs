using AiFabric.Engine.Requests;
using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Serving;

/// <summary>A checked request: what the engine is asked for and how the answer is given.</summary>
internal sealed record GenerationPlan
{
    /// <summary>As the client wrote it.</summary>
    public required string Model { get; init; }

    /// <summary>What every choice asks of the engine, but for the seed.</summary>
    public required GenerationRequest Request { get; init; }

    public required IReadOnlyList<string> StopStrings { get; init; }

    public required int Choices { get; init; }

    public required bool Stream { get; init; }

    public required bool IncludeUsage { get; init; }

    /// <summary>The prompt's text, repeated before the answer; null for no echo.</summary>
    public string? Echo { get; init; }

    /// <summary>What the answer may call; null for nothing.</summary>
    public ToolRequest? Tools { get; init; }

    /// <summary>The plan with what the gateway says of the request.</summary>
    /// <exception cref="Errors.ApiException">400: the tenant is none, or the age, or the mark of a copy.</exception>
    public GenerationPlan For(HttpRequest request) => this with
    {
        Request = Request with
        {
            Tenant = TenantReader.Read(request),
            Age = AgeReader.Read(request),
            IsCopy = MirroredReader.Read(request),
            PrefixNames = PrefixNameReader.Read(request, Request.PromptTokens.Count),
        },
    };

    /// <summary>The request of one choice. Each has its own seed, or equal seeds would give equal answers.</summary>
    public GenerationRequest RequestOf(int choice) => Request with
    {
        Sampling = Request.Sampling with { Seed = unchecked(Request.Sampling.Seed + choice) },
    };

    /// <summary>What finds the calls of one choice; null where none can be.</summary>
    public ToolCallReader? CallsOf(int choice) => Tools is null
        ? null
        : new ToolCallReader(Tools.Format, [.. Tools.Callable.Select(item => item.Tool.Name)], Tools.IsSingle, new CallIds(Tools.Format.Style, RequestOf(choice)).Of);
}
