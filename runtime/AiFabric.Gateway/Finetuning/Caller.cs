using System.Text.Json.Serialization.Metadata;
using AiFabric.Gateway.Auth;

namespace AiFabric.Gateway.Finetuning;

/// <summary>Whose request it is.</summary>
internal static class Caller
{
    /// <summary>The tenant's id; empty where no keys are asked for, and all are one.</summary>
    public static string Of(HttpContext context) => context.Features.Get<Tenant>()?.Id ?? "";
}

/// <summary>Writes a body.</summary>
internal static class Answer
{
    public static Task WriteAsync<T>(HttpContext context, T body, JsonTypeInfo<T> type) =>
        context.Response.WriteAsJsonAsync(body, type, null, context.RequestAborted);
}
