using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Tokenization.Templates;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Backend;

/// <summary>A model that is ready, with the names it answers to.</summary>
internal sealed class ServedModel
{
    private readonly long createdUnixSeconds;
    // Found at the first need: whoever waits for the first token has none.
    private readonly Lazy<(ToolFormat? Format, string Problem)> tools;

    /// <exception cref="ModelException">The chat template is outside of the supported subset.</exception>
    public ServedModel(string name, IModelBackend backend, TimeProvider time)
    {
        Name = name;
        Backend = backend;
        Constraints = new ConstraintCache(backend.Tokenizer);
        createdUnixSeconds = time.GetUtcNow().ToUnixTimeSeconds();
        var settings = backend.Tokenizer.Settings;
        try
        {
            ChatTemplate = ChatTemplate.Of(settings, time);
        }
        catch (ChatTemplateException e)
        {
            throw new ModelException($"tokenizer_config.json: {e.Message}");
        }
        tools = new(() => ChatTemplate is null
            ? (null, "is missing")
            : (ToolFormat.Find(ChatTemplate, backend.Tokenizer, out string problem), problem));
    }

    public string Name { get; }

    public IModelBackend Backend { get; }

    /// <summary>Formats that answers were asked for in.</summary>
    public ConstraintCache Constraints { get; }

    /// <summary>Null when the model has none; chats are then refused.</summary>
    public ChatTemplate? ChatTemplate { get; }

    /// <summary>The adapter that OpenAI's model field asks for; null for the base model.</summary>
    /// <exception cref="ApiException">400 without a model, 404 for another one.</exception>
    public string? AdapterOf(string? model)
    {
        if (string.IsNullOrEmpty(model))
            throw new ApiException(400, "The field 'model' is missing.", "model", "missing_required_parameter");
        if (model == Name)
            return null;
        if (Cards().FirstOrDefault(card => card.Id == model) is null)
            throw NotFound(model);
        return model[(Name.Length + 1)..];
    }

    /// <exception cref="ApiException">400: the model makes embeddings only.</exception>
    public void RequireGeneration()
    {
        if (!Backend.Generates)
            throw new ApiException(400, $"This model makes embeddings: '{Name}' writes no text. Send inputs to /v1/embeddings.", "model", "model_not_supported");
    }

    /// <summary>How the model writes calls of tools.</summary>
    /// <param name="field">The field that needs it.</param>
    /// <exception cref="ApiException">400: its chat template defines no tools, or in a form that is not known.</exception>
    public ToolFormat RequireTools(string field)
    {
        var (format, problem) = tools.Value;
        return format ?? throw new ApiException(400, $"'{field}' cannot be used with the model '{Name}': its chat template {problem}.", field, "tools_not_supported");
    }

    public ModelCard CardOf(string model) => Cards().FirstOrDefault(card => card.Id == model) ?? throw NotFound(model);

    public IReadOnlyList<ModelCard> Cards() =>
    [
        Card(Name, null),
        .. Backend.Adapters.Select(adapter => Card($"{Name}:{adapter.Name}", Name)),
    ];

    private ModelCard Card(string id, string? parent) => new()
    {
        Id = id,
        Created = createdUnixSeconds,
        Parent = parent,
        MaxModelLen = Backend.MaxContextTokens,
    };

    private ApiException NotFound(string model) => new(
        404, $"The model '{model}' does not exist here; this server has: {string.Join(", ", Cards().Select(card => card.Id))}.", "model", "model_not_found");
}
