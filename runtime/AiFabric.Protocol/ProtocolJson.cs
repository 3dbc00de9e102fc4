using System.Text.Json.Serialization;
using AiFabric.Protocol.Control;
using AiFabric.Protocol.Gateway;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Protocol;

/// <summary>OpenAI bodies: snake_case, nulls left out, unknown fields tolerated as OpenAI's clients send ever new ones.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ChatCompletionRequest))]
[JsonSerializable(typeof(CompletionRequest))]
[JsonSerializable(typeof(ChatCompletion))]
[JsonSerializable(typeof(ChatCompletionChunk))]
[JsonSerializable(typeof(Completion))]
[JsonSerializable(typeof(EmbeddingRequestBody))]
[JsonSerializable(typeof(EmbeddingList))]
[JsonSerializable(typeof(TokenizeRequest))]
[JsonSerializable(typeof(TokenizeResponse))]
[JsonSerializable(typeof(DetokenizeRequest))]
[JsonSerializable(typeof(DetokenizeResponse))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelCard))]
[JsonSerializable(typeof(FileObject))]
[JsonSerializable(typeof(FilePage))]
[JsonSerializable(typeof(FileDeleted))]
[JsonSerializable(typeof(FineTuningRequest))]
[JsonSerializable(typeof(FineTuningJob))]
[JsonSerializable(typeof(FineTuningJobPage))]
[JsonSerializable(typeof(FineTuningEvent))]
[JsonSerializable(typeof(FineTuningEventPage))]
[JsonSerializable(typeof(ErrorResponse))]
[JsonSerializable(typeof(IntermediateResult))]
public sealed partial class OpenAIJson : JsonSerializerContext;

/// <summary>Control and route bodies: camelCase, an unknown field is an error, and so is null where a value is needed.</summary>
/// <remarks>Properties with a default have <c>set</c>, not <c>init</c>: generated code overwrites the defaults of absent init-only properties.</remarks>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(TrainingRequest))]
[JsonSerializable(typeof(TrainingStatus))]
[JsonSerializable(typeof(TrainingList))]
[JsonSerializable(typeof(AdapterRequest))]
[JsonSerializable(typeof(AdapterStatus))]
[JsonSerializable(typeof(AdapterList))]
[JsonSerializable(typeof(LoadReport))]
[JsonSerializable(typeof(RouteReport))]
[JsonSerializable(typeof(WorkerLoad))]
[JsonSerializable(typeof(StageRequest))]
[JsonSerializable(typeof(StageLine))]
[JsonSerializable(typeof(DemandReport))]
[JsonSerializable(typeof(FinetuneOrders))]
[JsonSerializable(typeof(OrderRefusal))]
[JsonSerializable(typeof(ErrorResponse))]
public sealed partial class ControlJson : JsonSerializerContext;
